"""A child gets on whatever lock of ours another thread held at the fork."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib import import_module
from typing import Any

import pytest

from mlsecrets import Reference, _forks, hold, lease, release
from mlsecrets._broker import _wire
from mlsecrets._broker._socket import connect
from mlsecrets._broker.attach import attachment
from mlsecrets._listeners import Listener, Listeners
from mlsecrets._renewer import Renewer
from mlsecrets.clock import SYSTEM_CLOCK
from mlsecrets.events import Event, Journal
from mlsecrets.exposure import Exposures, How
from mlsecrets.http import LateAdapter
from mlsecrets.testing import FakeClock
from mlsecrets.view import ScopeView
from tests.broker.owner import Owner
from tests.forks.children import Stop, held_elsewhere, run_in_child
from tests.forks.conftest import StoppingIssuer
from tests.life import Background, World

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*multi-threaded.*fork:DeprecationWarning"
)

#: Those that hold state of their module, besides what the tests below import.
MODULES = (
    "mlsecrets._block",
    "mlsecrets._current",
    "mlsecrets._opening",
    "mlsecrets._tenant",
    "mlsecrets.memory._posture",
    "mlsecrets.storage._flights",
    "mlsecrets.storage.plain_s3",
    "mlsecrets_mlflow._provider",
    "mlsecrets_mlflow._sessions",
)
#: Of these a child is to see that they are taken: the environment is lent.
LEFT_ALONE = {("mlsecrets.storage.environ", "_turn")}
LOCKS = (type(threading.Lock()), type(threading.RLock()), threading.Condition)


def module_locks() -> Iterator[Any]:
    """Every lock that a module of ours keeps."""
    for name, module in sorted(sys.modules.items()):
        if name.partition(".")[0].startswith("mlsecrets") and module is not _forks:
            for variable, value in vars(module).items():
                if isinstance(value, LOCKS) and (name, variable) not in LEFT_ALONE:
                    yield value


def read() -> None:
    """In a child: the lease of the process that owns it."""
    grant = Reference("data").source().snapshot()
    assert grant.credentials.reveal("token").startswith("fake-token-")


def test_no_module_leaves_a_child_a_lock_that_is_held() -> None:
    """Each is another one there, or was not held."""
    pytest.importorskip("mlflow")  # of whose guest two of them are
    for name in MODULES:
        import_module(name)
    held = list(module_locks())
    assert len(held) >= 8

    def body() -> None:
        for lock in module_locks():
            assert lock.acquire(blocking=False)
            lock.release()

    with ExitStack() as threads:
        for lock in held:
            threads.enter_context(held_elsewhere(lock))
        run_in_child(body)


# -- in the middle of something ------------------------------------------------------


def test_a_child_reads_while_the_issuer_is_asked(issuer: StoppingIssuer) -> None:
    """A refusal is being answered by new credentials; the old ones still serve."""
    with lease("data") as data:
        stop = issuer.stop_at("issue")
        replacing = Background(lambda: data.reject(1))
        stop.reached.wait()
        run_in_child(read)
        stop.go.set()
        replacing.join()


def test_a_child_reads_while_the_lease_is_renewed(issuer: StoppingIssuer) -> None:
    """By the thread of the renewer."""
    with lease("data"):
        held: Any = Reference("data").source()
        stop = issuer.stop_at("issue")
        renewing = Background(held.tend)
        stop.reached.wait()
        run_in_child(read)
        stop.go.set()
        renewing.join()


def test_a_child_reads_while_another_worker_is_answered(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that asks nothing, one whose answer is under way."""
    stop = Stop()
    views = owner.views

    def slowly() -> tuple[ScopeView, ...]:
        stop()
        return views()

    monkeypatch.setattr(owner, "views", slowly)
    with connect(owner.broker.path, 5.0), connect(owner.broker.path, 5.0) as asking:
        _wire.send(asking, {"ask": "views"})
        stop.reached.wait()
        run_in_child(read)
        stop.go.set()
        assert _wire.receive(asking)["views"]


def test_a_child_reads_while_we_log(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The handler's lock is Python's, which knows of forks."""
    stop = Stop()
    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", lambda record: stop())
    log = logging.getLogger("mlsecrets")
    log.addHandler(handler)
    try:
        logging_ = Background(lambda: log.error("something"))
        stop.reached.wait()

        def body() -> None:
            stop.go.set()  # as it is in the child
            log.error("something else")
            read()

        run_in_child(body)
        stop.go.set()
        logging_.join()
    finally:
        log.removeHandler(handler)


def test_a_child_leases_while_the_first_lease_is_being_had(
    issuer: StoppingIssuer,
) -> None:
    """It waits for its parent's, which it shares."""
    stop = issuer.stop_at("issue")
    done = threading.Event()

    def work() -> None:
        with lease("data"):
            done.wait()

    working = Background(work)
    stop.reached.wait()

    def body() -> None:
        with lease("data") as data:
            assert data.snapshot().terms.generation == 1
        read()

    run_in_child(body, meanwhile=stop.go.set)
    done.set()
    working.join()
    assert issuer.count("issue") == 1


def test_a_child_of_a_lease_that_is_ending_is_told_so(issuer: StoppingIssuer) -> None:
    """At once, although it was forked while its parent still answered."""
    with ExitStack() as block:
        data = block.enter_context(lease("data"))
        reference = data.reference
        stop = issuer.stop_at("end")
        leaving = Background(block.pop_all().close)
    stop.reached.wait()
    ended = threading.Event()

    def end() -> None:
        stop.go.set()
        leaving.join()
        ended.set()

    def body() -> None:
        from mlsecrets import errors

        try:
            while True:
                reference.source().snapshot()
        except (errors.OwnerGone, errors.NotLeased):
            pass

    run_in_child(body, meanwhile=end)
    assert ended.is_set()
    assert issuer.count("end") == 1


# -- each object that has a lock of its own ------------------------------------------


def _event() -> Event:
    return Event("issued", "data", 0.0, 1)


def _journal() -> tuple[Any, Callable[[], object]]:
    journal = Journal()
    return journal._lock, lambda: journal.record(_event())


def _listener() -> tuple[Any, Callable[[], object]]:
    listener = Listener(print)
    return listener._lock, Listeners(Journal()).add(listener)


def _listeners() -> tuple[Any, Callable[[], object]]:
    listeners = Listeners(Journal())
    return listeners._lock, listeners.add(Listener(print))


def _exposures() -> tuple[Any, Callable[[], object]]:
    exposures = Exposures()
    return exposures._lock, lambda: exposures.note("python", "token", How.LATE)


def _renewer() -> tuple[Any, Callable[[], object]]:
    renewer = Renewer(SYSTEM_CLOCK)
    return renewer._changed, renewer.close


def _live() -> tuple[Any, Callable[[], object]]:
    live = World().live
    return live._turn, live.close


def _clock() -> tuple[Any, Callable[[], object]]:
    clock = FakeClock()
    return clock._lock, lambda: clock.advance(1)


def _pools() -> tuple[Any, Callable[[], object]]:
    adapter = LateAdapter()

    def connect_anew() -> object:
        return adapter.poolmanager.connection_from_url("http://127.0.0.1:1")

    connect_anew()
    return adapter.poolmanager.pools.lock, connect_anew


@pytest.mark.parametrize(
    "made",
    [
        _journal,
        _listener,
        _listeners,
        _exposures,
        _renewer,
        _live,
        _clock,
        _pools,
    ],
)
def test_an_object_can_be_used_in_a_child(
    made: Callable[[], tuple[Any, Callable[[], object]]],
) -> None:
    """Also by code that has kept it, or by the garbage collector."""
    lock, use = made()
    with held_elsewhere(lock):
        run_in_child(use)


def test_a_grandchild_reads_while_its_parent_was_reading(owner: Owner) -> None:
    """The worker's own locks, of its attachment and of the lease that it reads."""

    def body() -> None:
        read()
        attached = attachment(str(owner.broker.path))
        kept = attached.source("data")

        def read_kept() -> None:
            read()
            assert kept.snapshot().credentials.reveal("token") == "fake-token-000001"

        with held_elsewhere(attached._lock), held_elsewhere(kept._turn):
            run_in_child(read_kept)

    run_in_child(body)
    assert len({e.detail["worker"] for e in owner.journal.events("attached")}) == 2


def test_a_shared_lease_is_held_anew_in_a_child(issuer: StoppingIssuer) -> None:
    """Its parent's stays open when the child lets go of its own."""
    parents = hold("data")

    def body() -> None:
        childs = hold("data")
        assert childs is not parents
        assert childs.snapshot().terms.generation == 1
        release("data")

    run_in_child(body)
    assert issuer.calls == [("issue", "data")]
    assert parents.snapshot().terms.generation == 1
    release("data")
