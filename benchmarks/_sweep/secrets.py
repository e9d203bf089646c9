"""Secrets born in locked memory, of which no copy exists until a reader gets one."""

from __future__ import annotations

import hashlib
import os

from mlsecrets.memory import Sealed, SecretBuffer

_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def fresh(size: int) -> Sealed:
    """So many random letters."""
    buffer = SecretBuffer(size)
    with buffer.writable() as view:
        for i in range(size):
            view[i] = _LETTERS[os.urandom(1)[0] % len(_LETTERS)]
    return Sealed(buffer, 0, size)


def digest(secret: Sealed) -> str:
    """What the server tells that it was shown."""
    with secret.reading() as view:
        return hashlib.sha256(view).hexdigest()
