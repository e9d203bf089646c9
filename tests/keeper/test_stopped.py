"""A trainer that cannot run: the keeper renews for it."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

from tests.keeper.conftest import Start
from tests.keeper.trainer import events
from tests.real.conftest import Edit

#: Seconds that the credentials live, and for which the trainer does not.
TTL, STILL = 3, 5

#: It holds the GIL for as long as it is told, when it is told so.
TRAINING = """
def read():
    begun = time.time()
    grant = data.snapshot()
    left = grant.terms.remaining(time.monotonic())
    tell([grant.terms.generation, left, begun])

with lease("train-data") as data:
    read()
    heard()
    read()
    ctypes.PyDLL(None).usleep({still} * 1000000)
    read()
"""


def test_the_keeper_renews_while_the_trainer_is_stopped(
    start: Start, edited: Edit
) -> None:
    """By SIGSTOP, or by native code that holds the GIL: the next read is valid."""
    manifest = edited(('ttl = "10s"', f'ttl = "{TTL}s"'))
    trainer = start(TRAINING.format(still=STILL), manifest)
    first, *_ = trainer.says()
    trainer.send(signal.SIGSTOP)
    trainer.hear()
    threading.Event().wait(STILL)  # the store's clock cannot be moved
    trainer.send(signal.SIGCONT)
    second, left, read_at = trainer.says()
    assert left > 0
    assert first < second
    assert issued(trainer.journal, second - 1) < read_at
    third, left, read_at = trainer.says()
    assert left > 0
    assert second < third
    assert issued(trainer.journal, third - 1) < read_at
    assert trainer.ended() == 0


def issued(journal: Path, generation: int) -> float:
    """When it was: at the latest the one before the one that is read, on a busy day."""
    (event,) = (
        event
        for event in events(journal, "issued", "replaced")
        if event["scope"] == "train-data" and event["generation"] == generation
    )
    return float(event["at"])
