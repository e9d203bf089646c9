"""Who may be at the other end of the owner's socket, as the kernel tells it."""

from __future__ import annotations

import errno
import os
import platform
import select
import socket
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

from ._socket import peer, same_user

Peers = Literal["user", "descendants", "cgroup"]
"""Who may read leases besides the process that holds them.

``user``: every process of the same user. ``descendants``: of those, the ones that were
started by a process of the job, or by one that it started. ``cgroup``: those in the
owner's control group, or in one below it; a container or a SLURM step is one.
"""

_SO_PEERPIDFD = 77
_GENERIC = {"x86_64", "aarch64"}

_PROC = Path("/proc")
#: Where the numbers stand in what follows the name in ``/proc/<pid>/stat`` (proc(5):
#: fields 4 and 22, and the first of what follows is field 3).
_PARENT, _START = 4 - 3, 22 - 3
#: Deeper than processes are nested anywhere; ends a walk that would not end.
_DEEPEST = 1000


def check(connection: socket.socket, peers: Peers, roots: Iterable[int]) -> str | None:
    """Why whoever is at the other end may not read leases; None if it may.

    What the kernel does not tell is a reason, too.

    Args:
        peers: who may.
        roots: the process ids of the job, from which ``descendants`` descend.
    """
    pid, user = peer(connection)
    if not same_user(connection):
        return f"it runs as user {user}, and the owner as {os.getuid()}"
    if peers == "user":
        return None
    if pid <= 0:
        return (
            f'peers = "{peers}" cannot be told here: the other end has no process id '
            "(another pid namespace, or not Linux)"
        )
    if peers == "descendants":
        refused = _check_descent(pid, frozenset(roots))
    elif peers == "cgroup":
        refused = _check_cgroup(pid)
    else:
        refused = f'peers = "{peers}" is not a rule that is known here'
    if refused is None and _has_ended(connection):
        # What was read of it may be of another process, that has its number now.
        refused = f"process {pid}, which connected, has ended; its child may not do so"
    return refused


def ancestors(pid: int) -> list[int]:
    """A process, its parent, and so on up; empty if that cannot be told.

    That is so when one of them ended meanwhile, since its number may already be another
    process's.
    """
    chain: list[tuple[int, _Stat]] = []
    if not _counts_as_we_do():
        return []
    while pid > 0:
        stat = _read_stat(pid)
        if stat is None or len(chain) == _DEEPEST:
            return []
        chain.append((pid, stat))
        pid = stat.parent
    # Each is still who it was, and still where it was: so it was a chain.
    if any(_read_stat(one) != stat for one, stat in chain):
        return []
    return [one for one, _ in chain]


class Roots:
    """Processes whose descendants belong to the job, for as long as they live.

    A number alone could be another process's by the time it is asked for.
    """

    def __init__(self, pids: Iterable[int]) -> None:
        stats = {pid: _read_stat(pid) for pid in pids if pid > 0}
        self._started = {pid: stat.start for pid, stat in stats.items() if stat}

    def alive(self) -> set[int]:
        """The process ids of those that are still there."""
        found = {pid: _read_stat(pid) for pid in self._started}
        return {
            pid
            for pid, stat in found.items()
            if stat is not None and stat.start == self._started[pid]
        }


def is_within(ours: str, theirs: str) -> bool:
    """Whether a process is in our control groups, or in groups below them.

    Args:
        ours, theirs: what ``/proc/<pid>/cgroup`` says (cgroups(7)): a line for each
            hierarchy, with one for cgroup v2.
    """
    mine, others = _hierarchies(ours), _hierarchies(theirs)
    return bool(mine) and all(
        _is_below(path, others.get(hierarchy)) for hierarchy, path in mine.items()
    )


class _Stat(NamedTuple):
    parent: int
    start: int  # clock ticks after boot: tells two processes with one number apart


def _has_ended(connection: socket.socket) -> bool:
    """Whether the process that connected has ended; False where nobody can say.

    Linux tells since 6.5 (SO_PEERPIDFD); its number is that of <asm-generic/socket.h>.
    """
    if sys.platform != "linux" or platform.machine() not in _GENERIC:
        return False
    try:
        pidfd = connection.getsockopt(socket.SOL_SOCKET, _SO_PEERPIDFD)
    except OSError as error:
        return error.errno != errno.ENOPROTOOPT
    try:
        # It becomes readable when the process ends (pidfd_open(2)).
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        return bool(poll.poll(0))
    finally:
        os.close(pidfd)


def _check_descent(pid: int, roots: frozenset[int]) -> str | None:
    chain = ancestors(pid)
    if not chain:
        return f"whom process {pid} descends from cannot be told: /proc has no answer"
    if roots.isdisjoint(chain):
        line = " < ".join(map(str, chain))
        return f"process {pid} does not descend from one of this job's ({line})"
    return None


def _check_cgroup(pid: int) -> str | None:
    before = _read_stat(pid) if _counts_as_we_do() else None
    ours, theirs = _read("self", "cgroup"), _read(str(pid), "cgroup")
    if before is None or ours is None or theirs is None:
        return f"the control group of process {pid} cannot be told: /proc has no answer"
    after = _read_stat(pid)
    if after is None or after.start != before.start:
        return f"process {pid} ended while its control group was read"
    if not is_within(ours, theirs):
        return f"process {pid} is outside of the owner's control group"
    return None


def _counts_as_we_do() -> bool:
    """Whether /proc is there, and is that of this process's own pid namespace."""
    try:
        return str((_PROC / "self").readlink()) == str(os.getpid())
    except OSError:
        return False


def _read_stat(pid: int) -> _Stat | None:
    text = _read(str(pid), "stat")
    return None if text is None else _parse_stat(text)


def _parse_stat(text: str) -> _Stat:
    # A process names itself, with spaces and parentheses if it likes.
    fields = text.rpartition(")")[2].split()
    return _Stat(int(fields[_PARENT]), int(fields[_START]))


def _read(process: str, name: str) -> str | None:
    # Unbuffered, in one piece: what /proc says is composed anew by each read.
    try:
        with (_PROC / process / name).open("rb", buffering=0) as file:
            return os.fsdecode(file.read())
    except OSError:
        return None


def _hierarchies(text: str) -> dict[str, str]:
    lines = (line.split(":", 2) for line in text.splitlines())
    return {f"{line[0]}:{line[1]}": line[2] for line in lines if len(line) == 3}


def _is_below(ours: str, theirs: str | None) -> bool:
    if theirs is None:
        return False
    ours = ours.rstrip("/")
    if not (theirs.rstrip("/") == ours or theirs.startswith(ours + "/")):
        return False
    # "/../x": outside of the part of the tree that this process can see.
    return ".." not in theirs[len(ours) :].split("/")
