"""Programs go on unharmed while they are swept."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="reads and stops processes by Linux's ptrace"
)


def test_twenty_sweeps_under_load(in_process: Callable[..., str]) -> None:
    """Threads come, go, allocate and check their own work; each sweep wipes all."""
    in_process(
        """
        import hashlib, json, queue, random
        wrong, done, rounds = [], threading.Event(), [0] * 4

        def work(n):
            numbers = random.Random(n)
            while not done.wait(0.02):
                table = {str(numbers.random()): [numbers.random()] * 9
                         for _ in range(200)}
                text = json.dumps(table)
                digest = hashlib.sha256(text.encode()).digest()
                blob = bytearray(numbers.randbytes(numbers.randrange(1 << 18)))
                total = sum(blob)
                inner = threading.Thread(target=lambda: table.update(json.loads(text)))
                inner.start()
                inner.join()
                if hashlib.sha256(json.dumps(table).encode()).digest() != digest:
                    wrong.append("table")
                if sum(blob) != total:
                    wrong.append("blob")
                rounds[n] += 1

        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(20):
            with secret.reading() as view:
                held[:] = view
            before = list(rounds)
            report = sweep([secret])
            assert (report.refused, report.left) == (None, 0), report
            assert report.wiped >= 1 and report.threads >= 5, report
            assert held == b"x" * 40
            assert sum(rounds) > sum(before)
        done.set()
        for thread in threads:
            thread.join()
        assert not wrong, wrong
        """
    )
