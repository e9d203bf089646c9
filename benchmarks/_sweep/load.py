"""Threads that work while the process is swept, and check what they did."""

from __future__ import annotations

import hashlib
import json
import random
import socket
import threading
from collections.abc import Callable

import numpy as np
import requests

from mlsecrets.memory import Sealed

from .secrets import digest, fresh

Job = Callable[[random.Random], bool]


class Load:
    """Threads that do their job again and again until the end of a block.

    Args:
        server: that a live token is shown to.
        crowd: how many more threads there are, of which half wait and half count.

    Attributes:
        wrong: jobs that went wrong.
        rounds: jobs that were done.
    """

    def __init__(self, server: str, crowd: int = 0) -> None:
        self._done = threading.Event()
        self.wrong: list[str] = []
        self.rounds = 0
        self._live = _Live(server)
        jobs: list[Job] = [allocate, compute, serialise, talk, self._live.show]
        self._threads = [
            threading.Thread(target=self._repeat, args=(job, seed), daemon=True)
            for seed, job in enumerate(jobs)
        ]
        for number in range(crowd):
            target = self._done.wait if number % 2 else self._count
            self._threads.append(threading.Thread(target=target, daemon=True))

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, job: Job, seed: int) -> None:
        numbers = random.Random(seed)  # noqa: S311  not for secrets
        while not self._done.wait(0.001):
            try:
                right = job(numbers)
            except Exception as error:  # noqa: BLE001  all there is must be counted
                self.wrong.append(f"{job.__name__}: {type(error).__name__}")
            else:
                self.rounds += 1
                if not right:
                    self.wrong.append(job.__name__)

    def _count(self) -> None:
        while not self._done.wait(0.0005):
            sum(range(500))


class _Live:
    """A secret of another lease, which must stay as it is."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._token: Sealed = fresh(356)
        self._shown = self._token.text()
        self._session = requests.Session()

    def show(self, numbers: random.Random) -> bool:
        answer = self._session.get(
            f"{self._server}/live",
            headers={"Authorization": f"Bearer {self._shown}"},
            timeout=30,
        )
        return answer.text == digest(self._token)


def allocate(numbers: random.Random) -> bool:
    """Many small objects and a few large ones, in a thread that ends."""
    blobs = [bytearray(numbers.randbytes(numbers.randrange(1 << 16))) for _ in range(9)]
    sums = [sum(blob[::97]) for blob in blobs]
    found: list[int] = []
    inner = threading.Thread(
        target=lambda: found.extend(sum(blob[::97]) for blob in blobs)
    )
    inner.start()
    inner.join()
    return found == sums


def compute(numbers: random.Random) -> bool:
    """Arrays that come and go."""
    array = np.random.default_rng(numbers.randrange(1 << 30)).random((200, 200))
    there_and_back = np.linalg.solve(array, array @ array)
    return bool(np.allclose(there_and_back, array, atol=1e-3))


def serialise(numbers: random.Random) -> bool:
    """JSON, there and back."""
    table = {str(numbers.random()): [numbers.random()] * 9 for _ in range(300)}
    text = json.dumps(table)
    digest = hashlib.sha256(text.encode()).digest()
    again = json.dumps(json.loads(text))
    return hashlib.sha256(again.encode()).digest() == digest


def talk(numbers: random.Random) -> bool:
    """Two sockets."""
    here, there = socket.socketpair()
    with here, there:
        said = numbers.randbytes(20_000)
        here.sendall(said)
        heard = b""
        while len(heard) < len(said):
            heard += there.recv(1 << 16)
    return heard == said
