"""A manifest that has been read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UnknownScope
from ..scope import Scope
from ._problems import did_you_mean


@dataclass(frozen=True)
class Section:
    """One issuer, identity or revoker as the manifest describes it.

    Args:
        name: what scopes and other sections call it.
        kind: which class it is made with.
        values: its checked keys: files as absolute `Path`, durations as float seconds.
        where: for messages: ``mlsecrets.toml: [issuers.store]``.
    """

    name: str
    kind: str
    values: Mapping[str, Any]
    where: str


@dataclass(frozen=True)
class Manifest:
    """Everything that `mlsecrets.toml` says, checked.

    Args:
        path: the file, absolute.
        name: of the manifest.
        version: semantic version of its content.
        digest: SHA-256 of the file's bytes, in hex: what was in force, for the journal.
        issuers: by name.
        identities: by name.
        revokers: by name.
        scopes: by name.
    """

    path: Path
    name: str
    version: str
    digest: str
    issuers: Mapping[str, Section]
    identities: Mapping[str, Section]
    revokers: Mapping[str, Section]
    scopes: Mapping[str, Scope]

    def scope(self, name: str) -> Scope:
        """The scope of that name.

        Raises:
            UnknownScope: there is none; the message has the nearest that there is.
        """
        try:
            return self.scopes[name]
        except KeyError:
            pass
        known = ", ".join(sorted(self.scopes)) or "none"
        raise UnknownScope(
            f"scope {name!r} is not in manifest {self.name} {self.version}"
            f"{did_you_mean(name, self.scopes)}",
            remedy=f"the scopes of {self.path} are: {known}",
        )
