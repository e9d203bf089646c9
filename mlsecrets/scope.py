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
        workers: whether processes without a block of their own may read it; None to
            tell by its access.
    """

    name: str
    owner: str
    version: str
    issuer: str
    ttl: float
    max_ttl: float
    access: tuple[Access, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    workers: bool | None = None

    @property
    def shared(self) -> bool | None:
        """Whether workers may read it: yes, no, or with a block of their own (None).

        If the manifest does not say: yes where it only reads objects. A worker that
        loads data has no business with checkpoints or with a tracking server, and one
        that has can say so.
        """
        if self.workers is not None:
            return self.workers
        only_reads = all(right.verb == "read" for right in self.access)
        return True if self.access and only_reads else None
