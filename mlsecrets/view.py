"""What any process of the job may know of an open lease: everything but the secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .access import Access, Verb


@dataclass(frozen=True)
class ScopeView:
    """The public face of a scope that is leased right now.

    Attributes:
        name: the scope's name in the manifest.
        access: what it allows; storage readers route requests by it.
        connection: what a client needs besides credentials: ``endpoint_url``,
            ``region_name``, ``ca_file``; empty for bearer tokens.
        version: the right's version in the manifest.
        owner: who answers for the right.
        issuer: who grants it, by its name in the manifest.
        shared: whether workers may read it, who have no block of their own.
    """

    name: str
    access: tuple[Access, ...]
    connection: Mapping[str, str] = field(default_factory=dict)
    version: str = ""
    owner: str = ""
    issuer: str = ""
    shared: bool = True

    def covers(self, verb: Verb, bucket: str, key: str) -> bool:
        """Whether the scope allows reading or writing this object."""
        return any(access.covers(verb, bucket, key) for access in self.access)

    def covers_origin(self, url: str) -> bool:
        """Whether the scope's credential may be sent to this address."""
        return any(access.covers_origin(url) for access in self.access)

    def to_json(self) -> dict[str, Any]:
        """For the broker's answers."""
        return {
            "name": self.name,
            "access": [str(access) for access in self.access],
            "connection": dict(self.connection),
            "version": self.version,
            "owner": self.owner,
            "issuer": self.issuer,
            "shared": self.shared,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ScopeView:
        """The inverse of `to_json`."""
        access = tuple(Access.parse(text) for text in value["access"])
        told = {part: value[part] for part in ("version", "owner", "issuer", "shared")}
        return cls(value["name"], access, dict(value["connection"]), **told)
