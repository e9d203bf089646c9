"""The unix socket: where it lies, and who may be at its other end."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import struct
import tempfile
from contextlib import suppress
from pathlib import Path

from ..errors import OwnerGone

#: How a worker learns where its owner listens; a path, never a secret.
ENVIRONMENT = "MLSECRETS_SOCK"
#: Bytes of a socket's path on Linux, with the closing zero (unix(7): sun_path).
LONGEST_PATH = 107


#: The path that this process used before, with its process id.
_reserved: tuple[int, Path] | None = None


def make_path() -> Path:
    """A path in a 0700 folder of our own, short enough for a socket.

    The same one for each block of a process where possible: a forkserver keeps the
    environment that it was started with, and in it the path of an earlier block.

    Raises:
        OwnerGone: no folder is usable.
    """
    global _reserved  # noqa: PLW0603  a process has one
    if _reserved is not None and _reserved[0] == os.getpid():
        with suppress(OSError):
            # Fails if it is in use, or if somebody else took the name meanwhile.
            _reserved[1].parent.mkdir(mode=0o700)
            return _reserved[1]
    path = _fresh_path()
    if _reserved is None or _reserved[0] != os.getpid():
        _reserved = (os.getpid(), path)
    return path


def _fresh_path() -> Path:
    places = (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp")  # noqa: S108
    for place in places:
        # mkdtemp adds 8 characters; pytest's and Lightning's folders are too long.
        if not place or len(place) + len("/mlsecrets-12345678/socket") > LONGEST_PATH:
            continue
        try:
            return Path(tempfile.mkdtemp(prefix="mlsecrets-", dir=place)) / "socket"
        except OSError:
            continue
    raise OwnerGone(
        "no folder can hold the socket that workers read leases through",
        remedy="set XDG_RUNTIME_DIR or TMPDIR to a short, writable folder",
    )


def remove(path: Path) -> None:
    """Take the socket and its folder away."""
    shutil.rmtree(path.parent, ignore_errors=True)


def connect(path: Path, timeout: float) -> socket.socket:
    """Connect to an owner that is this user's own.

    Raises:
        OwnerGone: nobody listens, or somebody who is not this user.
    """
    _check_folder(path)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout)
    try:
        connection.connect(str(path))
        if not same_user(connection):
            raise OwnerGone(
                f"the socket {path} is served by another user",
                remedy=f"unset {ENVIRONMENT}, and find out who set it",
            )
    except OSError as error:
        connection.close()
        raise OwnerGone(
            f"the process that owns the leases does not answer at {path} "
            f"({error.strerror or type(error).__name__})",
            remedy="start workers inside the with block, and end them before it ends",
        ) from None
    except OwnerGone:
        connection.close()
        raise
    return connection


def same_user(connection: socket.socket) -> bool:
    """Whether the other end runs as this user; True where the system cannot say.

    Where it cannot (macOS, with no SO_PEERCRED), the 0700 folder alone keeps others
    out.
    """
    return not hasattr(socket, "SO_PEERCRED") or peer(connection)[1] == os.getuid()


def peer(connection: socket.socket) -> tuple[int, int]:
    """Process and user id of the other end (unix(7): SO_PEERCRED); else (0, -1)."""
    if not hasattr(socket, "SO_PEERCRED"):
        return 0, -1
    size = struct.calcsize("3i")
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    pid, uid, _ = struct.unpack("3i", raw)
    return pid, uid


def _check_folder(path: Path) -> None:
    try:
        status = os.lstat(path.parent)
    except OSError:
        raise OwnerGone(
            f"the process that owned the leases is gone: {path} does not exist",
            remedy="start workers inside the with block, and end them before it ends",
        ) from None
    mode = stat.S_IMODE(status.st_mode)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or mode & 0o077:
        raise OwnerGone(
            f"the folder of {path} is not this user's alone (owner {status.st_uid}, "
            f"mode {mode:o}; expected {os.getuid()}, 700)",
            remedy=f"unset {ENVIRONMENT}, and find out who set it",
        )
