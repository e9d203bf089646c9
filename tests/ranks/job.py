"""The test's end of a job: it starts ranks, and tells them what to do."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlsecrets.devstack import DevStack

#: Seconds that credentials live; replaced after half of it, about.
TTL = 4.0
#: What most ranks lease.
BOTH = ("train-data", "checkpoints")
ROOT = Path(__file__).parents[2]
#: Seconds in which a rank starts or answers, on a busy machine.
PATIENCE = 60.0
RANK = (sys.executable, "-m", "tests.ranks.rank")
#: What would make processes a job that are none.
LAUNCHERS = ("MLSECRETS_", "TORCHELASTIC_", "SLURM_", "MASTER_", "GROUP_RANK")


def wait_for(condition: Callable[[], bool]) -> float:
    """Wait until it is so; seconds that it took."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() < begun + PATIENCE, "it never was so"
        threading.Event().wait(0.02)
    return time.monotonic() - begun


class RankError(Exception):
    """What a rank could not do; the message begins with the error's type."""


class Rank:
    """A process of `tests.ranks.rank`, that has called."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._stream = connection.makefile("rw")
        hello = json.loads(self._stream.readline())
        self.pid: int = hello["pid"]
        self.parent: int = hello["parent"]
        self.number: str = hello["rank"]
        self.restarts: str = hello["restarts"]
        # Readable when it has ended (pidfd_open(2)); it need not be a child of ours.
        self._process = os.pidfd_open(self.pid)

    def ask(self, name: str, *arguments: Any, **options: Any) -> Any:
        """Have it do something, and wait for the answer."""
        self.tell(name, *arguments, **options)
        return self.answer()

    def tell(self, name: str, *arguments: Any, **options: Any) -> None:
        """Have it do something."""
        self._stream.write(json.dumps([name, arguments, options]) + "\n")
        self._stream.flush()

    def answer(self) -> Any:
        """What came of it."""
        line = self._stream.readline()
        if not line:
            raise RankError("it has ended")
        answer = json.loads(line)
        if "error" in answer:
            raise RankError(answer["error"])
        return answer.get("answer")

    def kill(self) -> None:
        """SIGKILL."""
        os.kill(self.pid, signal.SIGKILL)

    def end(self) -> None:
        """Have it end in good order, and wait until it has."""
        self.tell("end")
        assert select.select([self._process], [], [], PATIENCE)[0]

    def close(self) -> None:
        """Hang up, which ends it."""
        with contextlib.suppress(OSError):
            self._stream.close()
        self._connection.close()
        os.close(self._process)


class Job:
    """Processes of one test, a folder in which they meet, and one journal.

    Args:
        stack: what they lease from.
        folder: short, since sockets are made in it.
    """

    def __init__(self, stack: DevStack, folder: Path) -> None:
        self.stack = stack
        self.folder = folder
        self.journal = folder / "journal"
        self._ranks: list[Rank] = []
        self._started: list[subprocess.Popen[bytes]] = []
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(folder / "control"))
        self._listening.listen(16)
        self._listening.settimeout(PATIENCE)

    def environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        """Of a process of the job."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(LAUNCHERS)}
        return {
            **kept,
            "XDG_RUNTIME_DIR": str(self.folder),
            "RANKS_CONTROL": str(self.folder / "control"),
            "MLSECRETS_CONFIG": str(self.stack.manifest_path),
            "MLSECRETS_JOURNAL": str(self.journal),
            **extra,
        }

    def start(self, *command: str, **extra: str) -> subprocess.Popen[bytes]:
        """Start a launcher, or a rank if no command is given."""
        process = subprocess.Popen(
            command or RANK, cwd=ROOT, env=self.environment(extra)
        )
        self._started.append(process)
        return process

    def called(self, count: int = 1) -> list[Rank]:
        """The next processes that call, in the order of their ranks."""
        calling = []
        for _ in range(count):
            connection, _ = self._listening.accept()
            connection.settimeout(PATIENCE)
            calling.append(Rank(connection))
        self._ranks += calling
        return sorted(calling, key=lambda rank: rank.number)

    def ranks(self, count: int, **extra: str) -> list[Rank]:
        """Start some processes of one job; without a launcher, by name."""
        extra = extra or {"MLSECRETS_JOB": "job"}
        for number in range(count):
            self.start(RANK=str(number), **extra)
        return self.called(count)

    def events(self, *names: str) -> list[dict[str, Any]]:
        """What the journal has, of these names only."""
        lines = self.journal.read_text().splitlines() if self.journal.exists() else []
        events = [json.loads(line) for line in lines]
        return [e for e in events if not names or e["event"] in names]

    def issued(self, *scopes: str) -> list[dict[str, Any]]:
        """The journal's entries of credentials that came from the store's STS."""
        events = self.events("issued", "replaced", "renewed")
        return [event for event in events if event["scope"] in (scopes or BOTH)]

    def sts_calls(self) -> int:
        """How many credentials the store's STS has given; its own count."""
        counts = self.stack.store.metrics()
        return sum(n for key, n in counts.items() if "STS-Fallback" in key)

    def owner_of(self, ranks: list[Rank]) -> tuple[Rank, Rank]:
        """The rank that asked the issuer last, and another one."""
        pid = self.issued()[-1]["pid"]
        owner = next(rank for rank in ranks if rank.pid == pid)
        return owner, next(rank for rank in ranks if rank is not owner)

    def shared(self, *ranks: Rank, scope: str = "train-data") -> str:
        """The credentials that all of them have; fails if they never have the same.

        Between two of them the owner may have replaced them.
        """
        seen: set[str] = set()

        def same() -> bool:
            seen.clear()
            seen.update(rank.ask("lease_id", scope) for rank in ranks)
            return len(seen) == 1

        wait_for(same)
        return seen.pop()

    def meeting_places(self) -> dict[str, set[str]]:
        """The folders in which jobs meet, and what is in each."""
        return {
            str(folder): {path.name for path in folder.iterdir()}
            for folder in self.folder.glob("mlsecrets*/*/")
        }

    def wait(self) -> list[int]:
        """Wait until everything that was started has ended; how."""
        return [process.wait(PATIENCE) for process in self._started]

    def close(self) -> None:
        """End what still runs."""
        (self.folder / "stop").touch()
        for rank in self._ranks:
            rank.close()
        self._listening.close()
        for process in self._started:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
