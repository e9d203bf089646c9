"""Forked children that do something and end, and threads that are in the middle."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

#: Seconds after which a child is taken to hang.
LONGEST = 10.0


def nothing() -> None:
    """What a parent does that only waits."""


def fork_in_c() -> int:
    """A fork that Python is not told of.

    Its child would wait for ever to hand the GIL over if another thread had asked for
    that before: so none does meanwhile.
    """
    fork: Callable[[], int] = ctypes.PyDLL(None).fork
    interval = sys.getswitchinterval()
    sys.setswitchinterval(100.0)
    time.sleep(0.02)  # those who ask by the old interval have done so
    try:
        return fork()
    finally:
        sys.setswitchinterval(interval)


def run_in_child(
    body: Callable[[], object],
    *,
    meanwhile: Callable[[], object] = nothing,
    fork: Callable[[], int] = os.fork,
) -> None:
    """Fails unless a forked child comes to the end of a function, in time.

    Args:
        body: what the child does.
        meanwhile: what the parent does once the child is there.
        fork: makes it.
    """
    pid = fork()
    if pid == 0:
        try:
            body()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    meanwhile()
    until = time.monotonic() + LONGEST
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            break
        if time.monotonic() > until:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise AssertionError("the child hangs")
        time.sleep(0.002)
    assert os.waitstatus_to_exitcode(status) == 0, "the child failed"


@contextmanager
def held_elsewhere(lock: AbstractContextManager[Any]) -> Iterator[None]:
    """A block in which another thread holds a lock."""
    inside, done = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            inside.set()
            done.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    inside.wait()
    try:
        yield
    finally:
        done.set()
        holder.join()


class Stop:
    """A place where a thread stops until it may go on."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.go = threading.Event()

    def __call__(self) -> None:
        """Stop here."""
        self.reached.set()
        assert self.go.wait(LONGEST)
