"""The parent of every engine, so that none outlives the stack's owner.

A program of its own, run by path with the standard library alone; ``_process.py`` is
its other side. It obeys one JSON object a line and answers each with one. When its
input ends, when its parent is no longer the owner (a forked child may hold the input
open), or on SIGTERM, it kills the engines' process groups, removes their litter, and
goes. Should it be killed itself, the kernel kills the engines (Linux; PR_SET_PDEATHSIG
is tied to the parent *thread*, which is why the parent is this single-threaded program
and not the owner).
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

#: Seconds between two looks at who our parent is.
PATIENCE = 0.25
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


class Supervisor:
    """Starts engines on demand, and stops them all at the end."""

    def __init__(self, owner: int) -> None:
        self._owner = owner
        self._pid = os.getpid()
        self._engines: dict[int, subprocess.Popen[bytes]] = {}
        #: What to remove at the end, and the names in it that stay.
        self._litter: dict[Path, frozenset[str]] = {}

    def run(self) -> None:
        """Obey until told to stop, or until there is nobody left to obey."""
        pending = b""
        while os.getppid() == self._owner:
            readable, _, _ = select.select([0], [], [], PATIENCE)
            if not readable:
                continue
            chunk = os.read(0, 65536)
            if not chunk:
                return
            *lines, pending = (pending + chunk).split(b"\n")
            for line in lines:
                order = json.loads(line)
                if order["do"] == "stop":
                    return
                _answer(self._obey(order))

    def stop(self) -> list[str]:
        """Kill every engine and remove the litter; what could not be removed."""
        for engine in self._engines.values():
            if engine.poll() is None:
                os.killpg(engine.pid, signal.SIGKILL)
        for engine in self._engines.values():
            engine.wait()
        return remove(self._litter)

    def _obey(self, order: dict[str, Any]) -> dict[str, Any]:
        if order["do"] == "start":
            return self._start(order)
        if order["do"] == "poll":
            return {"returncode": self._engines[order["pid"]].poll()}
        keep = frozenset(order["keep"])
        self._litter.update((Path(path), keep) for path in order["litter"])
        return {}

    def _start(self, order: dict[str, Any]) -> dict[str, Any]:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        log = os.open(order["log"], flags, 0o600)
        try:
            engine = subprocess.Popen(  # noqa: S603 - the owner's own command
                order["argv"],
                cwd=order["cwd"],
                env=order["env"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Its own process group: a Ctrl-C at the owner's terminal must not
                # take the engines away before the job has given its leases back.
                start_new_session=True,
                preexec_fn=self._die_with_us,  # noqa: PLW1509 - single-threaded
            )
        except OSError as error:
            return {"error": f"{order['argv'][0]}: {error.strerror}"}
        finally:
            os.close(log)
        self._engines[engine.pid] = engine
        return {"pid": engine.pid}

    def _die_with_us(self) -> None:
        """Runs in the engine's process, before the engine's program."""
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != self._pid:  # we died before the line above
                os._exit(1)


def _answer(reply: dict[str, Any]) -> None:
    os.write(1, json.dumps(reply).encode() + b"\n")


def remove(litter: Mapping[Path, frozenset[str]]) -> list[str]:
    """Remove files and folders, but for the names to keep; what could not be."""
    return [line for path, keep in litter.items() for line in _remove(path, keep)]


def _remove(path: Path, keep: frozenset[str]) -> list[str]:
    try:
        if not path.is_dir() or path.is_symlink():
            path.unlink(missing_ok=True)
        elif keep:
            rest = [entry for entry in path.iterdir() if entry.name not in keep]
            return [line for entry in rest for line in _remove(entry, frozenset())]
        else:
            shutil.rmtree(path)
    except OSError as error:
        return [f"{path}: {error.strerror}"]
    return []


def main() -> None:
    """``_supervisor.py OWNER_PID``."""

    def leave(signum: int, frame: object) -> NoReturn:
        sys.exit(128 + signum)

    signal.signal(signal.SIGTERM, leave)
    os.umask(0o077)
    # Engines hold keys: no core dumps.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    supervisor = Supervisor(int(sys.argv[1]))
    try:
        supervisor.run()
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        left = supervisor.stop()
        try:
            _answer({"left": left})
        except BrokenPipeError:
            os._exit(0)  # nobody to tell


if __name__ == "__main__":
    main()
