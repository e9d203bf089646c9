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


def test_a_heap_that_was_carved_out_of_copies_survives(
    in_process: Callable[..., str],
) -> None:
    """A size that was written into an old copy may begin like what it cut off."""
    in_process(
        """
        libc = ctypes.CDLL(None)
        libc.malloc.restype = ctypes.c_void_p
        libc.malloc.argtypes = [ctypes.c_size_t]
        libc.free.argtypes = [ctypes.c_void_p]

        # Of the letters that sizes of small pieces begin with: 0x31, 0x41, ...
        token = bytes(b"1AQaq"[os.urandom(1)[0] % 5] for _ in range(400))
        buffer = SecretBuffer.of(token)
        large = [libc.malloc(1 << 16) for _ in range(20)]
        libc.malloc(1 << 10)  # stands after them: they are not given to the kernel
        for address in large:
            for at in range(0, (1 << 16) - 400, 400):
                ctypes.memmove(address + at, token, 400)
        for address in large:
            libc.free(address)
        pieces = [
            libc.malloc((0x28, 0x38, 0x48, 0x58, 0x68)[i % 5]) for i in range(6000)
        ]

        def sizes():
            # But for the lowest bit, which says whether the piece before is in use.
            return [ctypes.c_uint64.from_address(p - 8).value & ~1 for p in pieces]

        alike = sum(ctypes.string_at(p - 21, 14) in token + token for p in pieces)
        before = sizes()
        report = sweep([Sealed(buffer, 0, 400)])
        assert alike > 5, alike
        assert report.wiped > 5 and report.left == 0, report
        assert sizes() == before
        for address in pieces:
            libc.free(address)
        """
    )
