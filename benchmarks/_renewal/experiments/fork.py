"""Processes forked while a refresh is under way in a thread, as DataLoader's are."""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections import Counter

from ..clients import Maker
from ..trial import Found, Trial, begin

HOUR = 3600.0
CHILDREN = 16
#: Real seconds that the issuer takes.
LATENCY = 1.5
#: Real seconds without an answer after which a child hangs.
PATIENCE = 10.0
#: Real seconds for which a child lives on, so that its threads get their turn.
LINGER = 0.3


def fork(make: Maker, left: float) -> Found:
    """16 children, each of which reads once.

    Args:
        left: seconds of the credential's life then.
    """
    with begin(make, HOUR) as trial:
        first = trial.client.read()
        trial.issuer.latency = LATENCY
        trial.advance(HOUR - left)
        refreshing = threading.Thread(target=trial.read)
        refreshing.start()
        trial.issuer.wait_until(lambda: trial.issuer.calls > 1, LATENCY)
        pids, answers = _children(trial)
        refreshing.join()
        mine = os.getpid()
        came: Counter[str] = Counter()
        for answer in answers:
            alive = answer != first or trial.issuer.remaining(first) > 0
            known = answer in {"raised", "hung"}
            came[answer if known else "valid" if alive else "dead"] += 1
        return {
            "calls": sum(pid in pids for pid in trial.issuer.callers),
            "parent": trial.issuer.callers.count(mine) - 1,
            **came,
        }


def _children(trial: Trial) -> tuple[set[int], list[str]]:
    """Fork them all; their process ids, and what each answered."""
    pipes: dict[int, int] = {}
    for _ in range(CHILDREN):
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            _child(trial, writing)
        os.close(writing)
        pipes[pid] = reading
    deadline = time.monotonic() + PATIENCE
    answers = []
    for pid, reading in pipes.items():
        left = max(0.0, deadline - time.monotonic())
        ready, _, _ = select.select([reading], [], [], left)
        answers.append(os.read(reading, 64).decode() if ready else "hung")
        os.close(reading)
        if not ready:
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    # A child that died without a word has crashed.
    return set(pipes), [answer or "raised" for answer in answers]


def _child(trial: Trial, writing: int) -> None:
    try:
        answer = trial.client.read()
    except BaseException:  # noqa: BLE001  a Rust panic is no Exception
        answer = "raised"
    os.write(writing, answer.encode())
    time.sleep(LINGER)
    os._exit(0)
