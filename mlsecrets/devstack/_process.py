"""The owner's side of the supervisor: starting engines, asking after them, stopping."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ._errors import DevStackError
from ._supervisor import remove

_PROGRAM = Path(__file__).with_name("_supervisor.py")
#: Seconds for the supervisor to kill, wait for and tidy up after its engines.
_STOP_TIMEOUT = 30.0


@dataclass(frozen=True)
class Command:
    """One engine to start.

    Args:
        name: what errors and `processes` call it.
        argv: program and arguments; readable by every user, so never a secret.
        cwd: its working directory.
        log: receives its standard output and error.
        env: added to the minimal environment.
    """

    name: str
    argv: Sequence[str]
    cwd: Path
    log: Path
    env: Mapping[str, str]

    def environment(self) -> dict[str, str]:
        """Everything the engine inherits: nothing of ours that it does not need."""
        return {"HOME": str(self.cwd), "PATH": os.defpath, **self.env}


class Process:
    """A started engine."""

    def __init__(self, command: Command, pid: int, supervisor: Supervisor) -> None:
        self.name = command.name
        self.pid = pid
        self.log = command.log
        self._supervisor = supervisor

    def returncode(self) -> int | None:
        """What it exited with; None while it runs."""
        reply = self._supervisor.ask({"do": "poll", "pid": self.pid})
        code: int | None = reply["returncode"]
        return code


class Supervisor:
    """Starts the supervising process; `close` stops it and everything under it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner = os.getpid()
        self._litter: dict[Path, frozenset[str]] = {}
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-I", "-S", str(_PROGRAM), str(self._owner)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={},
            start_new_session=True,
        )
        self.pid = self._process.pid

    def start(self, command: Command) -> Process:
        """Start an engine; it may still be far from ready."""
        order = {
            "do": "start",
            "argv": list(command.argv),
            "cwd": str(command.cwd),
            "env": command.environment(),
            "log": str(command.log),
        }
        reply = self.ask(order)
        if "error" in reply:
            raise DevStackError(f"cannot start {command.name}: {reply['error']}")
        return Process(command, reply["pid"], self)

    def litter(self, paths: Iterable[Path], keep: Iterable[str] = ()) -> None:
        """Have these files and folders removed when everything has stopped.

        Args:
            keep: names in these folders that stay.
        """
        litter = dict.fromkeys(paths, frozenset(keep))
        self._litter |= litter
        names = [str(path) for path in litter]
        self.ask({"do": "litter", "litter": names, "keep": list(keep)})

    def ask(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """One order, one answer.

        Raises:
            DevStackError: the supervisor is gone, and with it every engine.
        """
        with self._lock:
            self._send(order)
            return self._receive()

    def close(self) -> None:
        """Stop every engine and remove the litter. Only the owner can: not its forks.

        Raises:
            DevStackError: something could not be removed.
        """
        if os.getpid() != self._owner:
            return
        left: list[str] = []
        with self._lock:
            try:
                self._send({"do": "stop"})
                left = self._receive()["left"]
            except DevStackError:
                # It was killed, and with it its engines (`_supervisor`), or closed.
                left = remove(self._litter)
            finally:
                self._litter.clear()  # another stack may use the folder from now on
                self._hang_up()
        if left:
            raise DevStackError(f"the stack left files behind: {'; '.join(left)}")

    def _hang_up(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):  # nobody reads the rest
                    pipe.close()
        self._process.wait(_STOP_TIMEOUT)

    def _send(self, order: Mapping[str, Any]) -> None:
        pipe = self._process.stdin
        try:
            if pipe is None or pipe.closed:
                raise BrokenPipeError
            pipe.write(json.dumps(order).encode() + b"\n")
            pipe.flush()
        except BrokenPipeError:
            raise self._gone() from None

    def _receive(self) -> dict[str, Any]:
        pipe = self._process.stdout
        line = b"" if pipe is None or pipe.closed else pipe.readline()
        if not line:
            raise self._gone()
        reply: dict[str, Any] = json.loads(line)
        return reply

    def _gone(self) -> DevStackError:
        return DevStackError(
            "the stack has stopped: its supervising process is gone",
            remedy="start a new stack",
        )
