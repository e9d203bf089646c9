"""Asking that memory never goes to swap."""

from __future__ import annotations

import errno

from ._libc import failure, libc

_LIMITED = {errno.EPERM, errno.ENOMEM, errno.EAGAIN}


def lock(address: int, length: int, reasons: list[str]) -> bool:
    """Whether mlock(2) was granted; if not, `reasons` gets a sentence."""
    try:
        mlock = libc("mlock")
    except OSError as error:
        reasons.append(f"may go to swap: {error.strerror}")
        return False
    if mlock(address, length) == 0:
        return True
    reasons.append(f"may go to swap: mlock: {refusal(failure())}")
    return False


def refusal(error: OSError) -> str:
    """Why locked memory was refused, with the limit if that may be it."""
    if error.errno not in _LIMITED:
        return str(error.strerror)
    import resource

    soft, _hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    limit = "unlimited" if soft == resource.RLIM_INFINITY else f"{soft} bytes"
    return f"{error.strerror}, RLIMIT_MEMLOCK (ulimit -l) is {limit}"
