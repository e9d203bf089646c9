"""Trainers that end, in every way: what becomes of their credentials at the store."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from mlsecrets.devstack import DevStack
from tests.keeper.conftest import Start
from tests.keeper.trainer import Thief, events, eventually, is_keeper

#: Leases, has children if asked to, tells what a thief would have, and ends. A child
#: that C code forks is not told by Python to close anything.
DYING = """
with lease("train-data") as data:
    children = []
    for fork in (os.fork, ctypes.PyDLL(None).fork)[:{forks}]:
        children.append(fork())
        if children[-1] == 0:
            time.sleep(60)
            os._exit(0)
    tell([keeper(), children])
    heard()
    tell(raw(data))
    heard()
    {end}
"""
ENDS = {
    "SIGKILL": "os.kill(os.getpid(), signal.SIGKILL)",
    "SIGSEGV": "ctypes.string_at(0)",
    "abort": "os.abort()",
    "os._exit": "os._exit(3)",
}


def dies(start: Start, end: str, forks: int = 0) -> tuple[Any, Any]:
    trainer = start(DYING.format(forks=forks, end=end))
    return trainer, trainer.says()


def test_what_a_dead_trainer_held_is_revoked_at_once(
    mlsecrets_stack: DevStack, start: Start
) -> None:
    """By whatever it died; also if its children live on, with all that it had open."""
    begun = [
        dies(start, end, forks=2 * (name == "SIGKILL")) for name, end in ENDS.items()
    ]
    children = begun[0][1][1]
    try:
        for trainer, _ in begun:
            trainer.hear()
            thief = Thief(mlsecrets_stack, trainer.says())
            assert thief.refused() is None
            trainer.hear()
            assert trainer.ended() != 0
            # Not InvalidAccessKeyId, which is what it says of one that has expired.
            assert eventually(thief.refused) == "AccessDenied"
        assert [child for child in children if is_running(child)] == children
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
    journal, keepers = begun[0][0].journal, {keeper for _, (keeper, _) in begun}
    assert eventually(
        lambda: keepers == {event["pid"] for event in events(journal, "revoked")}
    )


def is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


ORDERLY = """
with lease("train-data") as data:
    data.reject(data.snapshot().terms.generation)
    data.snapshot()
    tell([keeper(), os.environ["MLSECRETS_SOCK"]])
    copied = raw(data)
ended = [[end.terms.generation, end.outcome.fate.value] for end in data.report.ended]
tell([copied, ended, os.environ.get("MLSECRETS_SOCK")])
heard()
"""


def test_an_orderly_end_is_reported_and_leaves_nothing(
    mlsecrets_stack: DevStack, start: Start
) -> None:
    """Every generation revoked; then no keeper, no folder, no variable, no zombie."""
    trainer = start(ORDERLY)
    keeper, socket = trainer.says()
    copied, ended, left = trainer.says()
    assert ended == [[2, "revoked"], [1, "revoked"]]
    assert left is None
    assert Thief(mlsecrets_stack, copied).refused() == "AccessDenied"
    assert eventually(lambda: not is_keeper(keeper))
    assert not Path(socket).parent.exists()
    task = Path(f"/proc/{trainer.pid}/task/{trainer.pid}/children")
    assert task.read_text() == ""
    trainer.hear()
    assert trainer.ended() == 0
    told = [(event["event"], event["scope"]) for event in events(trainer.journal)]
    for name in ("issued", "revoked", "shredded"):
        assert (name, "login:bao") in told
    for name in ("issued", "joined", "replaced", "left", "revoked"):
        assert (name, "train-data") in told
    of_trainer = [
        e["event"] for e in events(trainer.journal) if e["pid"] == trainer.pid
    ]
    assert of_trainer == ["shredded"]


HOLDING = """
held = hold("train-data")
tell(raw(held))
"""


def test_what_is_held_to_the_end_of_the_process_is_revoked(
    mlsecrets_stack: DevStack, start: Start
) -> None:
    """`hold` without a block; also where only its own descendants may connect."""
    trainer = start(HOLDING, options={"peers": "descendants"})
    copied = trainer.says()
    assert trainer.ended() == 0
    assert Thief(mlsecrets_stack, copied).refused() == "AccessDenied"
    of_lease = [e for e in events(trainer.journal) if e["scope"] == "train-data"]
    names = [event["event"] for event in of_lease]
    assert names == [*("issued", "joined", "left", "revoked", "shredded", "shredded")]


SAVING = """
try:
    with lease("train-data") as data:
        copied = raw(data)
        try:
            tell(keeper())
            threading.Event().wait(60)
        finally:
            data.reject(data.snapshot().terms.generation)
            tell(data.snapshot().terms.generation)
except (KeyboardInterrupt, SystemExit) as ended:
    tell(type(ended).__name__)
    tell(copied)
"""


def test_what_ends_the_whole_group_spares_the_keeper(
    mlsecrets_stack: DevStack, start: Start
) -> None:
    """Ctrl-C, and a batch system's signals: the trainer still saves its work."""
    begun = [
        (start(SAVING, options={"on_sigterm": "exit"}, start_new_session=True), number)
        for number in (signal.SIGINT, signal.SIGTERM)
    ]
    for trainer, number in begun:
        keeper = trainer.says()
        for sent in (number, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            os.kill(keeper, sent)
        os.killpg(trainer.pid, number)
    for (trainer, _), kind in zip(
        begun, ("KeyboardInterrupt", "SystemExit"), strict=True
    ):
        assert trainer.says() == 2
        assert trainer.says() == kind
        assert Thief(mlsecrets_stack, trainer.says()).refused() == "AccessDenied"
        assert trainer.ended() == 0
