"""Processes that run some lines in a place, and say what they see."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_SETTING = """
import os, signal, socket, sys, time
from pathlib import Path
from mlsecrets._broker._place import Place
place = Place(Path(sys.argv[1]))
"""
#: Lines of one that owns the place, listens and says so, until its input ends.
OWN = "taken = place.take(); served = place.bind(); print(taken, flush=True)\n"
WAIT = "sys.stdin.read()\n"


class Child:
    """A process with `Place`, and `place` in the folder of its first argument."""

    def __init__(self, code: str, folder: Path, *arguments: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _SETTING + code, str(folder), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self.process.pid

    def says(self) -> str:
        """The next line that it prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def rest(self) -> list[str]:
        """All lines to its end, for which it is waited."""
        out, _ = self.process.communicate(timeout=60)
        return out.splitlines()

    def kill(self) -> None:
        """SIGKILL; what it started lives on."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
