"""Connecting to an owner, and who is at the other end of a connection."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

from .._forks import closes, held_off
from ..clock import SYSTEM_CLOCK, pause
from ..errors import OwnerGone
from ._lock import NOBODY, UNSEEN
from ._place import Place, check_folder, check_length

#: How a worker learns where its owner listens; a path, never a secret.
ENVIRONMENT = "MLSECRETS_SOCK"

#: Seconds until the next try at a door where too many wait: answers take tens of µs.
_AGAIN = 0.002

_INSIDE = "start workers inside the with block, and end them before it ends"


def connect(path: Path, timeout: float) -> socket.socket:
    """Connect to the owner of a place: this user's process that holds its lock.

    Raises:
        OwnerGone: nobody listens, or somebody who may not be trusted.
    """
    check_length(path)
    try:
        check_folder(path.parent)
    except OSError:
        raise OwnerGone(
            f"the process that owned the leases is gone: {path} does not exist",
            remedy=_INSIDE,
        ) from None
    with held_off():
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        closes(connection)
    connection.settimeout(timeout)
    try:
        _knock(connection, path, timeout)
        _check_owner(connection, path)
    except OSError as error:
        connection.close()
        raise OwnerGone(
            f"the process that owns the leases does not answer at {path} "
            f"({error.strerror or type(error).__name__})",
            remedy=_INSIDE,
        ) from None
    except BaseException:
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


def _knock(connection: socket.socket, path: Path, timeout: float) -> None:
    """Connect, also while more are waiting at the door than the system queues.

    A unix socket with a time limit is refused at once then (EAGAIN), not made to wait.
    """
    until = SYSTEM_CLOCK.monotonic() + timeout
    while True:
        try:
            connection.connect(str(path))
        except BlockingIOError:
            if SYSTEM_CLOCK.monotonic() >= until:
                raise
            pause(SYSTEM_CLOCK, _AGAIN)
        else:
            return


def _check_owner(connection: socket.socket, path: Path) -> None:
    """Raise unless whoever listens is this user's, and holds the lock of the place.

    A socket may have been left behind, kept open by a child of the last owner, or put
    there by anybody who can write into the folder.
    """
    if not same_user(connection):
        raise OwnerGone(
            f"the socket {path} is served by another user",
            remedy=f"unset {ENVIRONMENT}, and find out who set it",
        )
    place, (pid, _) = Place.at(path), peer(connection)
    holder = place.holder()
    # Both unseen: an owner in another pid namespace, as far as can be told.
    if holder is None or holder == (pid or UNSEEN):
        return
    served = f"process {pid}" if pid else "a process outside of this pid namespace"
    others = {NOBODY: "nobody", UNSEEN: "a process outside of this pid namespace"}
    raise OwnerGone(
        f"the socket {path} is served by {served}, which does not hold "
        f"{place.lock.name} (held by {others.get(holder, f'process {holder}')})",
        remedy="try again if the owner has just changed; if not, find out what "
        f"{served} is, and trust nothing that it says",
    )
