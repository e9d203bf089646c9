"""What a run was allowed to read and write, in words that may be published."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

#: Hexadecimal digits of a lease id's hash: enough to find it in the issuer's audit log,
#: by hashing what is there.
DIGITS = 16


@dataclass(frozen=True)
class Receipt:
    """One right that a process held: for a model's provenance, never to authenticate.

    Attributes:
        scope: the right's name in the manifest.
        version: its version there.
        owner: who answers for it.
        issuer: who granted it, by its name in the manifest.
        access: what it allows, such as ``read s3://datasets/digits/*``.
        lease: the first 16 hexadecimal digits of SHA-256 of the issuer's own name for
            the grant; empty where this process may not read it.
        generation: which of the lease's credentials that was: 1 for its first.
    """

    scope: str
    version: str
    owner: str
    issuer: str
    access: tuple[str, ...]
    lease: str = ""
    generation: int = 0

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Receipt:
        """The inverse of `to_json`.

        Raises:
            ValueError, TypeError: it is no receipt.
        """
        parts = json.loads(line)
        return cls(**{**parts, "access": tuple(parts.get("access", ()))})


def lease_hash(lease_id: str) -> str:
    """How a receipt names a lease."""
    return hashlib.sha256(lease_id.encode()).hexdigest()[:DIGITS]
