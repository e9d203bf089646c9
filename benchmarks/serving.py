"""FastAPI under load on five-second credentials, beside keys that live for ever.

    python benchmarks/serving.py [--seconds 120] [--restarts 2] [--rounds 12]

About seven minutes. gunicorn with two uvicorn workers; each answer takes one read of
4 KiB from the real store, with boto3. A client of its own sends requests over eight
connections, and counts as failed whatever is not a whole 200.

*Under load*: a leased server, then one with the store's own key, as its user would have
it instead: so many seconds each, with rolling restarts (SIGHUP) in between.

*With and without*: three servers, each loaded for five seconds in its turn: leased; a
session of an hour as strings in the environment, which is the same work for the store;
and the store's own key, for which it checks no policy.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import requests
from _pairs import report, rounds
from _serving.load import Tally

from mlsecrets import configure, lease
from mlsecrets.devstack import DevStack

HERE = Path(__file__).parent
SCOPE, BUCKET, KEY = "train-data", "datasets", "digits/serving.bin"
TTL = 5
CONNECTIONS = 8
#: Seconds that one turn of a server lasts.
TURN = 5.0
#: Seconds in which a server starts or ends.
PATIENCE = 60.0


class Server:
    """gunicorn, and what its requests came to.

    Args:
        environment: what it is told.
        folder: for the list of requests that it has begun.
    """

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._begun = folder / "begun"
        self._begun.touch()
        self._first = 0
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "MLSECRETS_"))
        }
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn", "_serving.app:app"),
                *("--config", str(HERE / "_serving" / "gunicorn_conf.py")),
                *("--bind", f"127.0.0.1:{self.port}", "--workers", "2"),
                *("--worker-class", "uvicorn_worker.UvicornWorker"),
                *("--log-level", "error"),
            ],
            cwd=HERE,
            env={
                **kept,
                "SERVING_BEGUN": str(self._begun),
                "XDG_RUNTIME_DIR": str(folder),
                "PYTHONPATH": str(HERE),
                **environment,
            },
        )

    def await_answer(self) -> None:
        """Wait until it answers."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                answer = self._get("/read?number=-1")
            except requests.ConnectionError:
                if self.process.poll() is not None or time.monotonic() > until:
                    raise
                time.sleep(0.1)
            else:
                answer.raise_for_status()
                return

    def load(self, seconds: float, restarts: int = 0) -> Tally:
        """Send requests, and replace the workers so many times meanwhile."""
        command = (sys.executable, "-m", "_serving.load", str(self.port), "/read")
        options = {"seconds": seconds, "connections": CONNECTIONS, "first": self._first}
        arguments = [
            word
            for name, value in options.items()
            for word in (f"--{name}", str(value))
        ]
        with subprocess.Popen(
            [*command, *arguments], cwd=HERE, stdout=subprocess.PIPE, text=True
        ) as client:
            for _ in range(restarts):
                time.sleep(seconds / (restarts + 1))
                self.process.send_signal(signal.SIGHUP)
            said, _ = client.communicate()
        tally = Tally(**json.loads(said))
        self._first += len(tally.latencies) + len(tally.failures)
        begun: dict[int, int] = {}
        for number in self._begun.read_text().split():
            begun[int(number)] = begun.get(int(number), 0) + 1
        tally.check(begun)
        return tally

    def end(self) -> None:
        """Stop it, as its platform would."""
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _get(self, path: str) -> requests.Response:
        return requests.get(f"http://127.0.0.1:{self.port}{path}", timeout=PATIENCE)


@contextmanager
def served(**environment: str) -> Iterator[Server]:
    """A server that answers."""
    with tempfile.TemporaryDirectory(prefix="mls-", dir="/tmp") as folder:
        server = Server(environment, Path(folder))
        try:
            server.await_answer()
            yield server
        finally:
            server.end()


def seeded(stack: DevStack) -> DevStack:
    """The stack, with the object that is read."""
    store = stack.admin_s3()
    store.put_object(Bucket=BUCKET, Key=KEY, Body=bytes(4096))
    store.close()
    return stack


def leased(stack: DevStack) -> dict[str, str]:
    """What a leased server is told: no secret."""
    return {"SERVING_KIND": "leased", "MLSECRETS_CONFIG": str(stack.manifest_path)}


def static(stack: DevStack) -> dict[str, str]:
    """What a server is told that has the store's own key."""
    key = stack.store.admin_key()
    return {
        "SERVING_KIND": "static",
        "AWS_ACCESS_KEY_ID": key.access_key,
        "AWS_SECRET_ACCESS_KEY": key.secret_key,
        "AWS_ENDPOINT_URL": stack.store.address,
        "AWS_DEFAULT_REGION": "us-east-1",
    }


@contextmanager
def session(stack: DevStack) -> Iterator[dict[str, str]]:
    """What a server is told that has a session of an hour."""
    configure(stack.manifest_path, sweep="never")
    with lease(SCOPE) as held:
        credentials = held.snapshot().credentials
        yield {
            **static(stack),
            "AWS_ACCESS_KEY_ID": credentials.public["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": credentials.reveal("secret_access_key"),
            "AWS_SESSION_TOKEN": credentials.reveal("session_token"),
        }


def describe(name: str, tally: Tally) -> None:
    """Print what became of a server's requests."""
    cuts = [cut * 1e3 for cut in statistics.quantiles(tally.latencies, n=1000)]
    print(
        f"  {name}: {len(tally.latencies)} answered, {len(tally.failures)} failed, "
        f"by {len(tally.workers)} workers on {len(tally.generations)} credentials\n"
        f"    ms: median {cuts[499]:.1f}, 95 % {cuts[949]:.1f}, 99 % {cuts[989]:.1f}, "
        f"99.9 % {cuts[998]:.1f}, longest {max(tally.latencies) * 1e3:.0f}; "
        f"{len(tally.resent)} sent again on a new connection"
    )
    for failure in tally.failures[:10]:
        print(f"    failed: {failure}")


def main() -> int:
    """Measure and print; 1 if a request failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--restarts", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=12)
    options = parser.parse_args()
    failed: list[str] = []
    with ExitStack() as running:
        stack = seeded(running.enter_context(DevStack(ttl=TTL)))
        print(f"under load, {options.seconds:.0f} s, {options.restarts} restarts")
        for name, told in {
            f"leased, {TTL} s": leased(stack),
            "the store's own key": static(stack),
        }.items():
            with served(**told) as server:
                tally = server.load(options.seconds, options.restarts)
            describe(name, tally)
            failed += tally.failures
        hour = seeded(running.enter_context(DevStack(ttl=3600)))
        told = running.enter_context(session(hour))
        servers = {
            "a session of an hour": running.enter_context(served(**told)),
            "leased": running.enter_context(served(**leased(stack))),
            "the store's own key": running.enter_context(served(**static(hour))),
        }
        tails: dict[str, list[float]] = {name: [] for name in servers}

        def turn(name: str) -> float:
            tally = servers[name].load(TURN)
            failed.extend(tally.failures)
            cuts = statistics.quantiles(tally.latencies, n=100)
            tails[name].append(cuts[98])
            return cuts[49]

        turns = {name: partial(turn, name) for name in servers}
        found = rounds(turns, options.rounds)
        print(f"with and without, {options.rounds} rounds of {TURN:.0f} s each")
        against = next(iter(servers))
        print(" median")
        report(found, against=against, unit="ms", scale=1e3)
        print(" 99th percentile")
        # The first turn of each was not counted.
        counted = {name: values[1:] for name, values in tails.items()}
        report(counted, against=against, unit="ms", scale=1e3)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
