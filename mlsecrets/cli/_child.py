"""Running one command, as if nothing were around it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from types import FrameType

from ._errors import CommandError
from ._signals import handled

#: What shells report (POSIX.1-2017, Shell Command Language, 2.8.2).
NOT_FOUND, NOT_EXECUTABLE = 127, 126
#: What a terminal sends to all of its foreground processes.
_OF_TERMINAL = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
#: SLURM and others send the last two as a word of warning.
_FORWARDED = (*_OF_TERMINAL, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


def run(
    command: Sequence[str],
    env: Mapping[str, str],
    afterwards: Callable[[], object] | None = None,
) -> int:
    """Run a command; its exit status.

    Signals sent to us are passed on to it. From our own terminal they reach it without
    us; elsewhere it gets a session of its own, so that a signal to our process group
    arrives once and not twice: a second Ctrl-C would cut short the revoking of leases
    that the first one began.

    Args:
        command: program and arguments.
        env: its environment.
        afterwards: called when it has ended; a signal does not cut that short.

    Returns:
        as a shell would: 128 + n if signal n ended it.
    """
    return _Child(command, env).wait(afterwards)


class _Child:
    """One process, and the signals that it is owed."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        self._command = command
        self._env = env
        self._shared = _is_foreground()
        self._owed: list[int] = []
        self._process: subprocess.Popen[bytes] | None = None

    def wait(self, afterwards: Callable[[], object] | None) -> int:
        with handled(_FORWARDED, self._forward):
            process = self._process = self._start()
            for number in self._owed:  # came while it was being started
                process.send_signal(number)
            status = process.wait()
            if afterwards is not None:
                afterwards()
        return status if status >= 0 else 128 - status

    def _start(self) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(  # noqa: S603  the user's own command
                self._command, env=self._env, start_new_session=not self._shared
            )
        except OSError as error:
            missing = isinstance(error, FileNotFoundError)
            raise CommandError(
                f"cannot run {self._command[0]}: {(error.strerror or '').lower()}",
                remedy="put a program that is on PATH behind --",
                status=NOT_FOUND if missing else NOT_EXECUTABLE,
            ) from None

    def _forward(self, number: int, frame: FrameType | None) -> None:
        if self._shared and number in _OF_TERMINAL:
            return  # the terminal has sent it to the whole foreground group
        if self._process is None:
            self._owed.append(number)
        else:
            self._process.send_signal(number)


def _is_foreground() -> bool:
    """Whether the terminal's Ctrl-C reaches us and whoever is in our process group."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False  # there is none
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
