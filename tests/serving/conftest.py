"""One real stack for all servers, and real servers that end with their test."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
from _serving.load import Load, Tally

from mlsecrets import configure
from mlsecrets.devstack import DevStack

ROOT = Path(__file__).parents[2]
#: Seconds that each credential lives: replaced after half of it, about.
TTL = 4.0
#: Seconds in which a server starts or ends, on a busy machine.
PATIENCE = 60.0
#: As tests.serving.apps has them.
SCOPE, BUCKET, KEY = "train-data", "datasets", "digits/serving.bin"


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Wait until it is so."""
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, f"it never was so: {what}"
        threading.Event().wait(0.02)


def is_running(pid: int) -> bool:
    """Whether there is a process of that number, which has not ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


class Server:
    """A server's first process, and what it says and does.

    Args:
        command: its arguments; ``{port}`` stands for a free one.
        stack: what it leases from.
        folder: for what it writes; its name is short, as sockets are made in it.
        extra: environment variables.
    """

    def __init__(
        self, command: list[str], stack: DevStack, folder: Path, **extra: str
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.folder = folder
        self.journal = folder / "journal"
        self.log = folder / "log"
        kept = {k: v for k, v in os.environ.items() if not k.startswith("MLSECRETS_")}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [part.format(port=self.port) for part in command],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={
                    **kept,
                    "MLSECRETS_CONFIG": str(stack.manifest_path),
                    "MLSECRETS_JOURNAL": str(self.journal),
                    "XDG_RUNTIME_DIR": str(folder),
                    "SERVING_TOLD": str(folder / "told"),
                    "SERVING_BEGUN": str(folder / "begun"),
                    "PYTHONUNBUFFERED": "1",
                    **extra,
                },
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def get(self, path: str) -> httpx.Response:
        """Ask it, over a connection of its own."""
        address = f"http://127.0.0.1:{self.port}{path}"
        return httpx.get(address, timeout=PATIENCE, trust_env=False)

    def await_ready(self) -> Server:
        """Wait until it answers."""

        def answers() -> bool:
            assert self.process.poll() is None, self.said()
            try:
                return self.get("/ready").status_code == 200
            except httpx.TransportError:
                return False

        wait_for(answers, "it is ready")
        return self

    def read(self) -> tuple[int, str]:
        """Have it read the object: the worker's process id, and the lease's id."""
        answer = self.get("/read")
        assert answer.status_code == 200, answer.text + self.said()
        pid, lease_id = answer.text.split()
        return int(pid), lease_id

    def workers(self, count: int) -> set[int]:
        """So many process ids of those that answer now."""
        found: set[int] = set()

        def enough() -> bool:
            found.add(self.read()[0])
            return len(found) >= count

        wait_for(enough, f"{count} workers answer")
        return found

    def said(self) -> str:
        """What it has written to its terminal."""
        return self.log.read_text()

    def told(self) -> list[str]:
        """What the application has told."""
        file = self.folder / "told"
        return file.read_text().splitlines() if file.exists() else []

    def begun(self) -> dict[int, int]:
        """How often the application began which request."""
        file, found = self.folder / "begun", dict[int, int]()
        for line in file.read_text().split() if file.exists() else ():
            found[int(line)] = found.get(int(line), 0) + 1
        return found

    def events(self, *names: str) -> list[dict[str, Any]]:
        """What the journal has, of these names only."""
        lines = self.journal.read_text().splitlines() if self.journal.exists() else []
        events = [json.loads(line) for line in lines]
        return [e for e in events if not names or e["event"] in names]

    def logins(self) -> int:
        """How often somebody has logged in: each owner does once."""
        return sum(e["scope"].startswith("login") for e in self.events("issued"))

    def left_alive(self) -> set[str]:
        """Names of credentials for the store that were issued and live still."""
        made = {
            e["lease_id"]: e["expires_at"]
            for e in self.events("issued", "replaced")
            if not e["scope"].startswith("login")
        }
        ended = {e["lease_id"] for e in self.events("revoked")}
        return {i for i, end in made.items() if i not in ended and end > time.time()}

    def send(self, number: signal.Signals) -> None:
        """Send its first process a signal."""
        self.process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send it, and wait for the end; its status."""
        self.send(number)
        return self.process.wait(PATIENCE)


Start = Callable[..., Server]


def under_load(server: Server, action: Callable[[], None]) -> Tally:
    """What became of requests that were under way during an action."""
    load = Load(server.port, "/read", pause=0.01)
    running = threading.Thread(target=lambda: asyncio.run(load.run(3, PATIENCE)))
    running.start()
    try:
        wait_for(lambda: bool(load.tally.latencies), "one is answered before")
        action()
        answered = len(load.tally.latencies)
        wait_for(lambda: len(load.tally.latencies) > answered + 20, "some after it")
    finally:
        load.done = True
        running.join()
    load.tally.check(server.begun())
    return load.tally


@pytest.fixture(scope="session")
def stack() -> Iterator[DevStack]:
    """A stack, and an object in its store."""
    with DevStack(ttl=TTL) as running:
        store = running.admin_s3()
        store.put_object(Bucket=BUCKET, Key=KEY, Body=b"weights")
        store.close()
        yield running


@pytest.fixture
def configured(stack: DevStack) -> Iterator[DevStack]:
    """The stack, and this process configured for it."""
    configure(stack.manifest_path)
    yield stack
    configure()


@pytest.fixture
def start(stack: DevStack) -> Iterator[Start]:
    """Starts servers; they and all their processes end with the test."""
    servers: list[Server] = []
    # A socket's path may have 107 bytes, which pytest's own folders are too long for.
    with TemporaryDirectory(prefix="mls-", dir="/tmp") as folder:

        def begin(*command: str, **extra: str) -> Server:
            own = Path(folder) / str(len(servers))
            own.mkdir(mode=0o700)
            tool, *arguments = command
            argv = [sys.executable, "-m", tool, *arguments]
            servers.append(Server(argv, stack, own, **extra))
            return servers[-1]

        yield begin
        for server in servers:
            if server.process.poll() is None:
                server.process.terminate()
                try:
                    server.process.wait(10)
                except subprocess.TimeoutExpired:
                    server.process.kill()
                    server.process.wait()
        for server in servers:
            _end_stragglers(server)


def _end_stragglers(server: Server) -> None:
    """Kill what a failed test has left: those that have this server's variables."""
    mark = f"SERVING_TOLD={server.folder}/told".encode()
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in path.read_bytes().split(b"\0"):
                os.kill(int(path.parent.name), signal.SIGKILL)
        except (OSError, ValueError):
            continue


@pytest.fixture
def edited(stack: DevStack, tmp_path: Path) -> Callable[[str, str], Path]:
    """Makes a copy of the stack's manifest with some text replaced."""

    def edit(old: str, new: str) -> Path:
        text = stack.manifest_path.read_text()
        text = re.sub(r'(_file = )"([^"/]+)"', rf'\1"{stack.folder}/\2"', text)
        assert old in text
        path = tmp_path / "mlsecrets.toml"
        path.write_text(text.replace(old, new))
        return path

    return edit
