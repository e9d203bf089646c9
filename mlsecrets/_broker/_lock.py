"""The owner's lock: held by one process, and gone with it however it ends.

A POSIX record lock, for three reasons: the kernel drops it when its process dies, a
forked child does not inherit it, and anybody may ask whose it is (F_GETLK). Its price
is a trap: a process loses such a lock when it closes *any* descriptor of the file
(fcntl(2)). So a file is never opened here while this process holds it, and all opening
and closing is done by one thread at a time.
"""

from __future__ import annotations

import os
import struct
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .._forks import after_fork

#: What `holder` says when nobody holds the lock.
NOBODY = 0
#: What it says of a process in another pid namespace, which has no number here.
UNSEEN = -1

#: ``struct flock`` where ``off_t`` and pointers have 64 bits (<asm-generic/fcntl.h>):
#: type, whence, start, length, pid; padded to its alignment.
_FLOCK = struct.Struct("@hhqqi0q")
#: Whether the structure above is this system's.
_TELLS = sys.platform == "linux" and struct.calcsize("P") == 8
#: A lock file that is removed between its opening and its locking is opened anew.
_TRIES = 8

_Identity = tuple[int, int]


@dataclass(frozen=True)
class _Held:
    descriptor: int
    identity: _Identity


_held: dict[Path, _Held] = {}
_guard = threading.Lock()


def take(path: Path) -> bool:
    """Take the lock without waiting; False if somebody has it, this process included.

    Raises:
        OSError: the file cannot be made, opened or locked; a link is not followed.
    """
    import fcntl

    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    with _guard:
        for _ in range(_TRIES):
            if path in _held or _is_held_here(path):
                return False
            descriptor = os.open(path, flags, 0o600)
            try:
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except (BlockingIOError, PermissionError):
                os.close(descriptor)
                return False
            except BaseException:
                os.close(descriptor)
                raise
            identity = _identity(os.fstat(descriptor))
            if identity == _identity_at(path):
                _held[path] = _Held(descriptor, identity)
                keep(path)
                return True
            # Its last owner removed it after we opened it: locked, it elects nobody.
            os.close(descriptor)
    return False


def give_up(path: Path) -> None:
    """Release the lock; nothing if this process does not hold it."""
    with _guard:
        held = _held.pop(path, None)
        if held is not None:
            os.close(held.descriptor)


def is_ours(path: Path) -> bool:
    """Whether this process holds the lock, on the file that is there now."""
    with _guard:
        held = _held.get(path)
        return held is not None and held.identity == _identity_at(path)


def holder(path: Path) -> int | None:
    """Whose the lock is: a process id, `NOBODY`, `UNSEEN`; None if nobody can say.

    Raises:
        OSError: there is no such file, or it cannot be opened.
    """
    import fcntl

    with _guard:
        if _is_held_here(path):
            return os.getpid()
        # Not to be hung by a pipe that stands in the lock's place.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        descriptor = os.open(path, flags)
        try:
            if not _TELLS:
                return None
            question = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
            answer = fcntl.fcntl(descriptor, fcntl.F_GETLK, question)
        finally:
            os.close(descriptor)
    kind, _, _, _, pid = _FLOCK.unpack(answer)
    if kind == fcntl.F_UNLCK:
        return NOBODY
    return pid if pid > 0 else UNSEEN


def keep(path: Path, *, not_any_more: bool = False) -> None:
    """Have those who clean up /tmp leave a file of ours alone, however old it grows.

    They heed the sticky bit (XDG Base Directory Specification, XDG_RUNTIME_DIR;
    systemd-tmpfiles). Some systems give it to folders only.
    """
    with suppress(OSError):
        path.chmod(0o600 if not_any_more else 0o1600)


def _is_held_here(path: Path) -> bool:
    # By the file, not by its name: a second name for it is the same trap.
    there = _identity_at(path)
    return any(held.identity == there for held in _held.values())


def _identity_at(path: Path) -> _Identity | None:
    try:
        return _identity(os.lstat(path))
    except FileNotFoundError:
        return None


def _identity(status: os.stat_result) -> _Identity:
    return status.st_dev, status.st_ino


def _forget() -> None:
    # The lock is the parent's; a child's closing of its descriptors leaves it alone.
    global _guard  # noqa: PLW0603
    _guard = threading.Lock()
    for held in _held.values():
        os.close(held.descriptor)
    _held.clear()


after_fork(_forget)
