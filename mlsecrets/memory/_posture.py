"""Keeping debuggers and core dumps away from the whole process, when asked to.

Locked memory protects what lies in it; a copy on the heap shows in a core dump and to
every debugger of the same user. `Posture` makes the process undumpable, which the
kernel takes as "no core dump, no ptrace, and /proc/PID belongs to root", and sets the
soft limit of core files to 0, for where a dump is made all the same.

The settings belong to the process, so what holds them is counted here for all of it:
the last to let go puts back what was there first. A value that somebody else has set
meanwhile is theirs, and stays. Children inherit both settings; a leave to attach is the
parent's alone.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from .._forks import after_fork, held_off
from ._setting import Setting

# Numbers of prctl(2).
_GET_DUMPABLE, _SET_DUMPABLE = 3, 4
_SET_PTRACER = 0x59616D61  # Yama's, "Yama" in ASCII
_YAMA = Path("/proc/sys/kernel/yama/ptrace_scope")
_UNDUMPABLE, _DUMPABLE = 0, 1


class Posture:
    """The process hardened for as long as this one asks for it.

    >>> posture = Posture()
    >>> posture.harden()
    ()
    >>> posture.restore()
    ()
    """

    __slots__ = ("_hardened",)

    def __init__(self) -> None:
        self._hardened = False

    @property
    def hardened(self) -> bool:
        """Whether this one asks for it."""
        return self._hardened

    def harden(self) -> tuple[str, ...]:
        """Ask for it; asking twice is asking once.

        Returns:
            what was refused, one sentence each.
        """
        with held_off():
            if self._hardened:
                return ()
            self._hardened = True
            return _sentences(_DUMPS.wish(self, _UNDUMPABLE), _CORE_FILES.wish(self, 0))

    def restore(self) -> tuple[str, ...]:
        """Ask no longer; what was there first comes back when nobody does.

        Returns:
            what did not come back and why, one sentence each.
        """
        with held_off():
            if not self._hardened:
                return ()
            self._hardened = False
            return _sentences(_DUMPS.drop(self), _CORE_FILES.drop(self))

    @contextmanager
    def allow(self, pid: int) -> Iterator[tuple[str, ...]]:
        """Let one process attach to this one for a `with` block: the sweep's helper.

        Core files stay at 0. While the block lasts, others of the same user may read
        this process as well, unless the Yama module keeps them away.

        Args:
            pid: whom to allow, where Yama asks for a name.

        Yields:
            what was refused, one sentence each: attaching may then fail.
        """
        wish = object()
        with held_off():
            _allowing.append(wish)
            refused = _sentences(_DUMPS.wish(wish, _DUMPABLE), _name_tracer(pid))
        try:
            yield refused
        finally:
            with held_off():
                _name_tracer(0)  # nobody: who was named before cannot be asked
                _DUMPS.drop(wish)
                if wish in _allowing:  # not in a child that was forked inside
                    _allowing.remove(wish)

    def __enter__(self) -> Posture:
        self.harden()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.restore()


def _sentences(*perhaps: str | None) -> tuple[str, ...]:
    return tuple(filter(None, perhaps))


def _get_dumpable() -> int:
    return _prctl(_GET_DUMPABLE)


def _set_dumpable(value: int) -> None:
    _prctl(_SET_DUMPABLE, value)


def _name_tracer(pid: int) -> str | None:
    try:
        _prctl(_SET_PTRACER, pid)
    except OSError as error:
        # The kernel does not know this call without Yama, whose leave it asks for.
        if error.errno == errno.EINVAL and not _YAMA.exists():
            return None
        return f"process {pid} may not attach: prctl: {error.strerror}"
    return None


def _prctl(option: int, value: int = 0) -> int:
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, "prctl is Linux only")
    from ._libc import failure, libc

    answer: int = libc("prctl")(option, value, 0, 0, 0)
    if answer < 0:
        raise failure()
    return answer


def _get_core_limit() -> int:
    return _core_limits()[0]


def _set_core_limit(soft: int) -> None:
    import resource

    _, hard = _core_limits()
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
    except ValueError as error:  # above the hard limit, which is lower than it was
        raise OSError(errno.EPERM, str(error)) from None


def _core_limits() -> tuple[int, int]:
    try:
        import resource
    except ImportError:
        raise OSError(errno.ENOSYS, "this platform has no resource limits") from None
    return resource.getrlimit(resource.RLIMIT_CORE)


_DUMPS = Setting("debuggers and core dumps", _get_dumpable, _set_dumpable)
_CORE_FILES = Setting("core files", _get_core_limit, _set_core_limit)

#: Wishes of `Posture.allow`.
_allowing: list[object] = []


def _allow_nobody() -> None:
    """In a forked child: the helper that may attach was named for the parent."""
    for wish in _allowing:
        _DUMPS.drop(wish)
    _allowing.clear()


after_fork(_allow_nobody)
