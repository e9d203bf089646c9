"""One finding."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import MLSecretsError


@dataclass(frozen=True)
class Check:
    """What was looked at, and what was found; never a secret.

    Attributes:
        name: of what was looked at.
        ok: whether a job can run with it.
        found: one line.
        remedy: what to do about it; advice if it is ok all the same.
    """

    name: str
    ok: bool
    found: str
    remedy: str | None = None


def failed(name: str, error: MLSecretsError) -> Check:
    """The finding that an error is: its message and causes, and the nearest remedy."""
    said, remedies = [], []
    link: BaseException | None = error
    while isinstance(link, MLSecretsError):
        said.append(f"{type(link).__name__.lstrip('_')}: {link.message}")
        remedies += [link.remedy] if link.remedy else []
        link = link.__cause__
    return Check(
        name,
        ok=False,
        found=", because ".join(said),
        remedy=next(iter(remedies), "look at the log of the server that says so"),
    )
