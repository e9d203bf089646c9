"""A real model server in processes of its own, and what its journal says."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import requests

from mlsecrets.devstack import DevStack

#: Seconds in which a server starts or ends, on a busy machine.
PATIENCE = 90.0
#: What the models read, by a lease of this scope.
SCOPE, OBJECT = "train-data", "datasets/digits/model.bin"
WEIGHTS = b"weights"


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Wait until it is so."""
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, f"it never was so: {what}"
        threading.Event().wait(0.05)


class Server:
    """A server's first process.

    Args:
        command: a program of this environment, and its arguments.
        stack: what it leases from.
        folder: where it runs and writes; short, as sockets are made in it.
        port: where it will listen.
        ready: the path that says whether it is.
        ask: makes a request of its model, and gives what the model answers.
        extra: environment variables.
    """

    def __init__(
        self,
        command: list[str],
        stack: DevStack,
        folder: Path,
        *,
        port: int,
        ready: str,
        ask: Callable[[str], Mapping[str, Any]],
        extra: Mapping[str, str] | None = None,
    ) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self._ready, self._ask = ready, ask
        self._journal, self._log = folder / "journal", folder / "log"
        kept = {k: v for k, v in os.environ.items() if not k.startswith("MLSECRETS_")}
        program, *arguments = command
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [str(Path(sys.executable).with_name(program)), *arguments],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that what a failed test leaves is found
                env={
                    **kept,
                    "MLSECRETS_CONFIG": str(stack.manifest_path),
                    "MLSECRETS_JOURNAL": str(self._journal),
                    "XDG_RUNTIME_DIR": str(folder),
                    "PYTHONUNBUFFERED": "1",
                    **(extra or {}),
                },
            )

    def ready(self) -> bool:
        """Whether it says so; False while nobody listens."""
        assert self.process.poll() is None, self.said()
        try:
            answer = requests.get(self.address + self._ready, timeout=PATIENCE)
        except requests.ConnectionError:
            return False
        return answer.status_code == 200

    def await_ready(self) -> None:
        """Wait until it is."""
        wait_for(self.ready, "the server is ready")

    def ask(self) -> Mapping[str, Any]:
        """What its model answers: a process id, what it read, of which generation."""
        return self._ask(self.address)

    def await_workers(self, count: int) -> set[int]:
        """So many process ids of those that answer."""
        found: set[int] = set()

        def enough() -> bool:
            found.add(self.ask()["pid"])
            return len(found) >= count

        wait_for(enough, f"{count} workers answer")
        return found

    def await_rotation(self) -> None:
        """Ask without a pause until the credentials have been replaced."""
        first = self.ask()["generation"]

        def replaced() -> bool:
            answer = self.ask()
            assert answer["content"] == WEIGHTS.decode()
            return bool(answer["generation"] > first)

        wait_for(replaced, "the model reads by later credentials")

    def said(self) -> str:
        """What it has written to its terminal."""
        return self._log.read_text()

    def events(self, *names: str) -> list[dict[str, Any]]:
        """What the journal has of these names, logins left out."""
        lines = self._journal.read_text().splitlines()
        events = [json.loads(line) for line in lines]
        return [e for e in events if e["event"] in names and e["scope"] == SCOPE]

    def owners(self) -> set[int]:
        """Who has had credentials issued."""
        return {event["pid"] for event in self.events("issued", "replaced")}

    def left_alive(self) -> set[str]:
        """Which credentials were issued, were not revoked, and live still."""
        made = self.events("issued", "replaced")
        ended = {event["lease_id"] for event in self.events("revoked")}
        living = [e for e in made if e["expires_at"] > time.time()]
        return {e["lease_id"] for e in living} - ended

    def terminate(self) -> int:
        """Send SIGTERM to its first process alone; the status that it ends with."""
        self.process.terminate()
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        """Kill what is left of it."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        finally:
            self.process.wait()
