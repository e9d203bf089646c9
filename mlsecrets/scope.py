"""A scope: one named right of the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .access import Access


@dataclass(frozen=True)
class Scope:
    """What may be leased: by whom it is owned, from where it comes, for how long.

    Args:
        name: as leased.
        owner: whom to ask about it.
        version: semantic version of this right, for its readers.
        issuer: the name of the issuer that mints it.
        ttl: seconds that one issue or renewal asks for.
        max_ttl: seconds after which a lease ends, however often it was renewed.
        access: what its credentials may do.
        options: what only this kind of issuer understands, such as a role or a path.
    """

    name: str
    owner: str
    version: str
    issuer: str
    ttl: float
    max_ttl: float
    access: tuple[Access, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
