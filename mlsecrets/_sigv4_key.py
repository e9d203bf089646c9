"""The one step of AWS Signature Version 4 that needs the secret key.

After "Create a signed AWS API request" (AWS Identity and Access Management User Guide):
four keys are derived, each from the one before, and the last makes the signature. The
secret key and the derived ones stay in locked memory. botocore does the same with a
`str`, which nobody can wipe.
"""

from __future__ import annotations

import hmac

from ._forks import held_off
from .memory import Sealed, SecretBuffer, scrub, wipe_own_bytes

_PREFIX = b"AWS4"
#: Bytes of a scratch that is used again; AWS's secret keys have 40 characters.
_SCRATCH = 1024
_ZEROS = bytes(_SCRATCH)
#: Zeroed scratches. Making one takes half as long as the rest of a signature.
_idle: list[SecretBuffer] = []


def signature(secret_key: Sealed, scope: tuple[str, ...], to_sign: str | bytes) -> str:
    """The signature in hexadecimal; it tells nothing about the key.

    Args:
        secret_key: the secret access key.
        scope: date (``YYYYMMDD``), region, service, ``aws4_request``.
        to_sign: the "string to sign"; it holds a hash of the request, no secret.

    Raises:
        SecretBufferClosed: the key has been wiped.
        ValueError: the key is longer than any that is in use.
    """
    if len(_PREFIX) + len(secret_key) > _SCRATCH:
        raise ValueError(f"expected a key of some 40 bytes, got {len(secret_key)}")
    message = to_sign.encode() if isinstance(to_sign, str) else to_sign
    scratch = _taken()
    try:
        # Forks are held off, because a derived key is a Python object for a moment.
        with scratch.writable() as view, secret_key.reading() as key, held_off():
            return _derived(view, key, scope, message)
    finally:
        _idle.append(scratch)


def _derived(
    scratch: memoryview, secret_key: memoryview, scope: tuple[str, ...], message: bytes
) -> str:
    length = len(_PREFIX) + len(secret_key)
    try:
        scratch[: len(_PREFIX)] = _PREFIX
        scratch[len(_PREFIX) : length] = secret_key
        for part in scope:
            derived = hmac.digest(scratch[:length], part.encode(), "sha256")
            length = _put(scratch, derived)
        return hmac.digest(scratch[:length], message, "sha256").hex()
    finally:
        scratch[:] = _ZEROS
        scrub()


def _put(view: memoryview, derived: bytes) -> int:
    """Replace the key by the one derived from it, whose length it gives."""
    view[: len(derived)] = derived
    wipe_own_bytes(derived)
    return len(derived)


def _taken() -> SecretBuffer:
    """A scratch that nobody else uses until it is put back."""
    while _idle:
        try:
            scratch = _idle.pop()
        except IndexError:  # another thread was faster
            break
        if not scratch.closed:  # as its parent's are in a forked child
            return scratch
    return SecretBuffer(_SCRATCH)
