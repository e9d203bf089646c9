"""What a block offers when a keeper holds its leases: the same as without one."""

from __future__ import annotations

import asyncio
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
from multiprocessing import get_context
from pathlib import Path

import pytest

from mlsecrets import Lease, configure, errors, hold, lease, release
from mlsecrets._broker._socket import ENVIRONMENT
from mlsecrets._tenant import tenant
from mlsecrets.devstack import DevStack
from mlsecrets.events import Event
from mlsecrets.grant import Fate
from tests.keeper.trainer import events, eventually
from tests.life import Background
from tests.real.conftest import Edit

_PR_GET_DUMPABLE = 3


def keeper() -> int:
    membership = tenant()._membership
    assert membership is not None
    return membership.owner


def fates(held: Lease) -> set[Fate]:
    return {end.outcome.fate for end in held.report.ended}


@pytest.mark.usefixtures("stack")
def test_blocks_nest_and_share_one_lease() -> None:
    """The inner one ends nothing; the report is the outermost's."""
    with lease("train-data") as outer:
        first = outer.snapshot().terms.lease_id
        with lease("train-data", "checkpoints") as both:
            assert both["train-data"].snapshot().terms.lease_id == first
            assert both["checkpoints"].snapshot().terms.scope == "checkpoints"
        assert fates(both["checkpoints"]) == {Fate.REVOKED}
        with pytest.raises(errors.NotLeased, match="not ended"):
            _ = both["train-data"].report
        assert outer.snapshot().terms.lease_id == first
    assert fates(outer) == {Fate.REVOKED}
    with pytest.raises(errors.LeaseClosed):
        outer.snapshot()


@pytest.mark.usefixtures("stack")
def test_the_next_block_finds_the_keeper_that_lingers() -> None:
    """The next cell of a notebook, the next epoch: nothing is started again."""
    with lease("train-data"):
        first = keeper()
    with lease("mlflow"):
        assert keeper() == first


def test_a_keeper_with_other_orders_is_not_found_again(
    stack: DevStack, journal: Path
) -> None:
    """It would lease by the manifest, and write into the journal, of before."""
    with lease("train-data"):
        first = keeper()
    configure(stack.manifest_path, keeper="process", journal=journal)
    with lease("train-data"):
        assert keeper() != first
    assert {event["pid"] for event in events(journal, "issued")} != {first}


@pytest.mark.usefixtures("stack")
def test_threads_open_and_leave_at_once() -> None:
    """None takes away what another has just opened."""
    errors_seen: list[BaseException] = []
    together = threading.Barrier(4)

    def work() -> None:
        try:
            together.wait(30)
            for _ in range(8):
                with lease("train-data") as data:
                    assert data.snapshot().terms.scope == "train-data"
        except BaseException as error:
            errors_seen.append(error)

    with lease("mlflow"):
        threads = [Background(work) for _ in range(4)]
        for thread in threads:
            assert eventually(lambda thread=thread: not thread.waiting, 60.0)
    assert errors_seen == []
    assert not tenant().busy
    assert ENVIRONMENT not in os.environ


@pytest.mark.usefixtures("stack")
def test_what_is_held_is_released() -> None:
    """`hold`, which is shared by name, and `async with`."""
    held = hold("train-data")
    assert hold("train-data") is held
    release("train-data")
    assert fates(held) == {Fate.REVOKED}

    async def work() -> Lease:
        async with lease("train-data") as data:
            assert data.snapshot().terms.generation == 1
        return data

    assert fates(asyncio.run(work())) == {Fate.REVOKED}


def test_events_reach_the_trainer(stack: DevStack, journal: Path) -> None:
    """Those of its leases: its callbacks hear what the keeper does."""
    heard: list[Event] = []
    configure(
        stack.manifest_path, keeper="process", journal=journal, on_event=heard.append
    )
    replaced: list[Event] = []
    with lease("train-data") as data:
        data.subscribe(replaced.append, "replaced")
        assert data.doomed is None
        data.reject(data.snapshot().terms.generation)
        assert eventually(lambda: replaced)
    names = [event.name for event in heard]
    for name in ("issued", "rejected", "replaced", "revoked", "shredded"):
        assert name in names
    assert [event.detail["generation"] for event in replaced] == [2]
    # Each is written down once, by whom it happened to.
    lines = [line for line in events(journal) if line["scope"] == "train-data"]
    assert len(lines) == len({tuple(map(str, line.items())) for line in lines})


JOINS_LATE = """
import threading
from mlsecrets import lease
with lease("train-data") as data:
    told = threading.Event()
    data.subscribe(lambda event: told.set(), "doomed")
    while data.doomed is None and not told.wait(0.01):
        data.snapshot()
print("doomed")
"""


def test_a_lease_that_will_end_is_told_in_time(
    stack: DevStack, edited: Edit, journal: Path, tmp_path: Path
) -> None:
    """The keeper may not log in again: the trainer hears it while all is valid."""
    secret_id = tmp_path / "secret-id"
    shutil.copy(stack.openbao.secret_id_file, secret_id)
    manifest = edited((f'"{stack.openbao.secret_id_file}"', f'"{secret_id}"'))
    configure(manifest, keeper="process", journal=journal)
    doomed: list[Event] = []
    with lease("train-data") as data:
        data.subscribe(doomed.append, "doomed")
        secret_id.write_text("00000000-0000-0000-0000-000000000000")
        login = events(journal, "issued")[0]
        assert login["scope"] == "login:bao"
        accessor = {"accessor": login["lease_id"]}
        admin = stack.openbao.admin()
        assert admin.request("POST", "auth/token/revoke-accessor", accessor).ok
        data.reject(data.snapshot().terms.generation)
        assert eventually(lambda: doomed)
        assert data.doomed is not None
        assert 0 < data.doomed <= stack.ttl
        assert data.snapshot().terms.generation == 1
        # Also who joins only now.
        done = subprocess.run(
            [sys.executable, "-c", JOINS_LATE],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
    assert done.stdout == "doomed\n", done.stderr


@pytest.mark.usefixtures("stack")
def test_the_trainer_is_hardened_and_takes_sigterm_if_asked_to(
    stack: DevStack,
) -> None:
    """Both for as long as it holds a lease."""
    prctl = ctypes.CDLL(None).prctl
    configure(stack.manifest_path, keeper="process", harden=True, on_sigterm="exit")
    with pytest.raises(SystemExit), lease("train-data") as data:  # noqa: PT012
        assert prctl(_PR_GET_DUMPABLE) == 0
        os.kill(os.getpid(), signal.SIGTERM)
        threading.Event().wait(5)
    assert fates(data) == {Fate.REVOKED}
    assert prctl(_PR_GET_DUMPABLE) == 1
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN  # on its way out
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def in_child(held: Lease) -> tuple[int, str, str]:
    """In a forked child: a block of its own, and the lease of its parent."""
    with lease("train-data") as data:
        ids = data.snapshot().terms.lease_id, held.snapshot().terms.lease_id
        return keeper(), *ids


@pytest.mark.usefixtures("stack")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_joins_its_parents_keeper() -> None:
    """Its block ends nothing of the parent's."""
    with lease("train-data") as data, get_context("fork").Pool(1) as pool:
        of_child = pool.apply(in_child, (data,))
        lease_id = data.snapshot().terms.lease_id
        assert of_child == (keeper(), lease_id, lease_id)
        assert data.open


def test_what_was_revealed_is_swept_in_the_trainer(stack: DevStack) -> None:
    """At its block's end, in its memory; the keeper has shown nobody anything."""
    configure(stack.manifest_path, keeper="process", sweep="revealed")
    with lease("train-data") as data:
        shown = data.snapshot().credentials.reveal("secret_access_key")
        copy = shown[:1] + shown[1:]
        assert {seen.field for seen in data.exposure} == {"secret_access_key"}
        del shown
    swept = data.shred_report.sweep
    assert swept is not None, data.shred_report.not_swept
    assert data.shred_report.generations >= 1
    assert set(copy) == {"x"}  # it was one of the copies
