"""From the word after ``kind =`` to the class that understands the rest of the table.

Built-in kinds come by the same door as anybody else's: entry points of the groups
``mlsecrets.issuers`` and ``mlsecrets.identities``. A class is imported only when a
manifest names its kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any, Literal

from .._forks import importing
from ..keys import Key

Group = Literal["issuers", "identities"]

# Revokers are of one kind, so their table needs no `kind`.
REVOKER_KEYS: Mapping[str, Key] = {
    "address": Key("url", required=True, description="where the revoker answers"),
    "audience": Key(
        "string",
        required=True,
        description="the name that a proof made for this revoker must carry",
        pattern=r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}",
    ),
    "ca_file": Key("file", description="authorities to trust, as PEM"),
}


class Kinds:
    """The kinds of issuer and identity that a manifest may name.

    Args:
        issuers: class, or entry point of one, by kind.
        identities: the same.
    """

    def __init__(
        self, issuers: Mapping[str, Any], identities: Mapping[str, Any]
    ) -> None:
        self._given: dict[Group, Mapping[str, Any]] = {
            "issuers": issuers,
            "identities": identities,
        }

    def names(self, group: Group) -> list[str]:
        """The kinds there are, sorted."""
        return sorted(self._table(group))

    def get(self, group: Group, kind: str) -> Any:
        """The class of a kind.

        Raises:
            KeyError: there is no such kind.
            ImportError, AttributeError: its package is broken or lacks something.
        """
        found = self._table(group)[kind]
        # Not by isinstance(EntryPoint): once somebody has imported the
        # importlib_metadata backport (MLflow does), entry points are of its class
        # instead.
        if isinstance(found, type):
            return found
        with importing():  # a child forked in the middle could never import it
            return found.load()

    def issuer(self, kind: str) -> Any:
        """The class of a kind of issuer; raises as `get` does."""
        return self.get("issuers", kind)

    def identity(self, kind: str) -> Any:
        """The class of a kind of identity; raises as `get` does."""
        return self.get("identities", kind)

    def _table(self, group: Group) -> Mapping[str, Any]:
        return self._given[group]


class _InstalledKinds(Kinds):
    """The kinds of all installed packages, looked up at first use."""

    def __init__(self) -> None:
        super().__init__({}, {})
        self._given.clear()

    def _table(self, group: Group) -> Mapping[str, Any]:
        # Looked up by two threads at once, it is the same; a lock could be held at a
        # fork.
        if group not in self._given:
            found = entry_points(group=f"mlsecrets.{group}")
            self._given[group] = {entry.name: entry for entry in found}
        return self._given[group]


kinds: Kinds = _InstalledKinds()
"""What this Python has installed."""
