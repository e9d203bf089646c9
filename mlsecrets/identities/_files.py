"""Reading the small files that identities are made of."""

from __future__ import annotations

from pathlib import Path

from ..errors import IdentityError

#: A JWT with many claims is a few KiB; anything larger is not an identity.
MAX_BYTES = 64 * 1024


def read_identity_file(path: Path, what: str) -> str:
    """The stripped content of a file, read fresh: platforms rotate them in place.

    Args:
        what: what errors call the content, such as ``the secret id``.

    Raises:
        IdentityError: it is missing, unreadable, empty, too large or not ASCII.
    """
    remedy = f"have the platform write {what} there, readable by this user only"
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise IdentityError(
            f"{what} cannot be read from {path}: {reason.lower()}", remedy=remedy
        ) from None
    if len(content) > MAX_BYTES:
        raise IdentityError(f"{path} is too large to be {what}", remedy=remedy)
    try:
        text = content.decode("ascii").strip()
    except UnicodeDecodeError:
        raise IdentityError(f"{path} is not {what}: not ASCII", remedy=remedy) from None
    if not text:
        raise IdentityError(f"{what} cannot be read from {path}: empty", remedy=remedy)
    return text
