"""Calls count exactly as long as they are under way; idle clients are closed."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from mlsecrets.clock import SYSTEM_CLOCK
from mlsecrets.exposure import Exposures
from mlsecrets.storage import _flights, _readers
from mlsecrets.storage._clients import AsyncLeasedClient, LeasedClient
from mlsecrets.storage._readers import quiesce

#: Seconds for what comes at once.
SOON = 30.0


class Base:
    """In place of botocore's client: signs at each attempt, then does as it is told."""

    def __init__(self, exposures: Exposures, scope: str = "train-data") -> None:
        self.exposures = exposures
        self.scope = scope
        self.closed = 0

    def sign(self) -> None:
        flight = _flights.current()
        assert flight is not None
        flight.carries(self.scope, self.exposures)

    def _make_api_call(self, attempts: Any, then: Any) -> Any:
        for _ in range(attempts):
            self.sign()
        return then()

    def close(self) -> None:
        self.closed += 1


class AsyncBase(Base):
    async def _make_api_call(self, attempts: Any, then: Any) -> Any:
        for _ in range(attempts):
            self.sign()
        return await then()

    async def close(self) -> None:  # type: ignore[override]
        self.closed += 1


class Client(LeasedClient, Base):
    __init__ = Base.__init__  # no events here


class AsyncClient(AsyncLeasedClient, AsyncBase):
    __init__ = AsyncBase.__init__


@pytest.fixture
def exposures() -> Exposures:
    return Exposures()


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """No client of another test is known, and none of these stays so."""
    _flights._forget()
    yield
    _flights._forget()


def under_way(exposures: Exposures) -> bool:
    return exposures.in_use() is not None


# -- counting ------------------------------------------------------------------------


@pytest.mark.parametrize("attempts", [0, 1, 3])
def test_a_call_counts_once_however_often_it_is_signed(
    exposures: Exposures, attempts: int
) -> None:
    """Retries are part of it; a call that was never signed carries nothing."""
    client = Client(exposures)
    seen = client._make_api_call(attempts, exposures.in_use)
    assert seen == ("1 request(s) under way" if attempts else None)
    assert not under_way(exposures)
    assert _flights.current() is None


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_call_that_fails_is_over(
    exposures: Exposures, error: type[BaseException]
) -> None:
    """Whatever it fails with, and although the error keeps its frames."""

    def fail() -> None:
        raise error

    with pytest.raises(error) as caught:
        Client(exposures)._make_api_call(2, fail)
    assert caught.tb is not None
    assert not under_way(exposures)


def test_a_call_inside_a_call_ends_alone(exposures: Exposures) -> None:
    """As when botocore looks for a bucket's region between two attempts."""
    client = Client(exposures)

    def another() -> str | None:
        client._make_api_call(1, lambda: None)
        return exposures.in_use()

    assert client._make_api_call(1, another) == "1 request(s) under way"
    assert not under_way(exposures)


def test_threads_are_told_apart(exposures: Exposures) -> None:
    """Each call is counted for itself, and none is left."""
    client, both, go = Client(exposures), threading.Barrier(9), threading.Event()

    def wait() -> None:
        both.wait(SOON)
        go.wait(SOON)

    threads = [
        threading.Thread(target=client._make_api_call, args=(1, wait)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    both.wait(SOON)
    assert exposures.in_use() == "8 request(s) under way"
    go.set()
    for thread in threads:
        thread.join(SOON)
    assert not under_way(exposures)


@pytest.mark.asyncio
async def test_a_cancelled_call_is_over(exposures: Exposures) -> None:
    """Nobody answers it any more."""
    begun = asyncio.Event()

    async def hang() -> None:
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(AsyncClient(exposures)._make_api_call(1, hang))
    await begun.wait()
    assert under_way(exposures)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not under_way(exposures)


def test_a_call_of_a_loop_that_was_thrown_away_is_over(exposures: Exposures) -> None:
    """Its coroutine is collected without ever having ended."""

    class Never:
        def __await__(self) -> Iterator[None]:
            yield

    call = AsyncClient(exposures)._make_api_call(1, Never)
    call.send(None)
    assert under_way(exposures)
    with exposures._lock, _flights._changed:  # the collector asks nobody
        del call
        gc.collect()
    assert not under_way(exposures)


@pytest.mark.asyncio
async def test_tasks_of_one_loop_are_told_apart(exposures: Exposures) -> None:
    """They share a thread, not a call."""
    client, go = AsyncClient(exposures), asyncio.Event()
    calls = [asyncio.create_task(client._make_api_call(2, go.wait)) for _ in range(5)]
    await asyncio.sleep(0)
    assert exposures.in_use() == "5 request(s) under way"
    calls[0].cancel()
    go.set()
    await asyncio.gather(*calls, return_exceptions=True)
    assert not under_way(exposures)


# -- closing -------------------------------------------------------------------------


def test_a_client_that_served_the_lease_is_closed(exposures: Exposures) -> None:
    """One that did not is left alone."""
    used, other, idle = (Client(exposures, s) for s in ("train-data", "x", "idle"))
    used._make_api_call(1, lambda: None)
    other._make_api_call(1, lambda: None)
    quiesce(["train-data"], SOON)
    assert [used.closed, other.closed, idle.closed] == [1, 0, 0]


def test_a_client_that_another_lease_needs_is_not_closed(
    exposures: Exposures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is when that ends too."""
    still_open = {"train-data", "checkpoints"}

    class Session:
        holds = staticmethod(still_open.__contains__)

    monkeypatch.setattr(_readers, "current", lambda: Session)
    client = Client(exposures)
    client._make_api_call(1, lambda: None)
    client.scope = "checkpoints"
    client._make_api_call(1, lambda: None)
    quiesce(["train-data"], SOON)
    assert client.closed == 0
    still_open.remove("train-data")
    quiesce(["checkpoints"], SOON)
    assert client.closed == 1


def test_a_client_is_closed_after_its_call(exposures: Exposures) -> None:
    """Which is waited for."""
    client, begun, go = Client(exposures), threading.Event(), threading.Event()

    def wait() -> int:
        begun.set()
        go.wait(SOON)
        return client.closed

    found: list[int] = []
    call = threading.Thread(target=lambda: found.append(client._make_api_call(1, wait)))
    call.start()
    begun.wait(SOON)
    closing = threading.Thread(target=quiesce, args=(["train-data"], SOON))
    closing.start()
    assert client.closed == 0
    go.set()
    closing.join(SOON)
    call.join(SOON)
    assert found == [0]
    assert client.closed == 1


def test_a_call_that_does_not_end_is_not_waited_for(exposures: Exposures) -> None:
    """Its client stays open, and what it carries is in use."""
    client, begun, go = Client(exposures), threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        go.wait(SOON)

    call = threading.Thread(target=client._make_api_call, args=(1, hang))
    call.start()
    begun.wait(SOON)
    began = SYSTEM_CLOCK.monotonic()
    quiesce(["train-data"], 0.05)
    assert SYSTEM_CLOCK.monotonic() - began < SOON / 2
    assert client.closed == 0
    assert under_way(exposures)
    go.set()
    call.join(SOON)


def test_a_call_of_this_very_thread_is_not_waited_for(exposures: Exposures) -> None:
    """It could not go on."""
    client = Client(exposures)
    began = SYSTEM_CLOCK.monotonic()
    client._make_api_call(1, lambda: quiesce(["train-data"], SOON))
    assert SYSTEM_CLOCK.monotonic() - began < SOON / 2
    assert client.closed == 0


def test_a_client_of_another_threads_loop_is_closed_there(
    exposures: Exposures,
) -> None:
    """As s3fs's are, whose loop runs on a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    client = AsyncClient(exposures)
    call = client._make_api_call(1, lambda: asyncio.sleep(0))
    asyncio.run_coroutine_threadsafe(call, loop).result(SOON)
    quiesce(["train-data"], SOON)
    assert client.closed == 1
    loop.call_soon_threadsafe(loop.stop)
    thread.join(SOON)
    quiesce(["train-data"], SOON)  # nobody runs it any more
    assert client.closed == 1
    loop.close()


def test_a_loop_that_does_not_answer_is_not_waited_for(exposures: Exposures) -> None:
    """Somebody blocks it."""
    loop, go, blocked = asyncio.new_event_loop(), threading.Event(), threading.Event()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    client = AsyncClient(exposures)
    call = client._make_api_call(1, lambda: asyncio.sleep(0))
    asyncio.run_coroutine_threadsafe(call, loop).result(SOON)

    def block() -> None:
        blocked.set()
        go.wait(SOON)

    loop.call_soon_threadsafe(block)
    blocked.wait(SOON)
    began = SYSTEM_CLOCK.monotonic()
    quiesce(["train-data"], 0.05)
    assert SYSTEM_CLOCK.monotonic() - began < SOON / 2
    go.set()
    loop.call_soon_threadsafe(loop.stop)
    thread.join(SOON)
    # The given-up closing is cancelled on the loop: let it see that.
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


@pytest.mark.asyncio
async def test_on_the_loops_own_thread_clients_are_closed_a_little_later(
    exposures: Exposures,
) -> None:
    """Waiting for it there would wait for ever."""
    client = AsyncClient(exposures)
    await client._make_api_call(1, lambda: asyncio.sleep(0))
    quiesce(["train-data"], SOON)
    assert client.closed == 0
    while not client.closed:  # noqa: ASYNC110  set by a task
        await asyncio.sleep(0)
    assert client.closed == 1


def test_a_client_that_fails_to_close_stops_nothing(
    exposures: Exposures, caplog: pytest.LogCaptureFixture
) -> None:
    """The others are closed all the same, and the lease ends; it is logged by type."""

    class Failing(Client):
        def close(self) -> None:
            raise OSError("already gone")

    bad, good = Failing(exposures), Client(exposures)
    for client in (bad, good):
        client._make_api_call(1, lambda: None)
    quiesce(["train-data"], SOON)
    assert good.closed == 1
    assert caplog.messages == ["a client was not closed: OSError"]


def test_a_dropped_client_is_forgotten(exposures: Exposures) -> None:
    """Knowing it does not keep it."""
    client = Client(exposures)
    client._make_api_call(1, lambda: None)
    assert len(_flights.clients()) == 1
    del client
    gc.collect()
    assert _flights.clients() == []


def test_without_an_ending_lease_nothing_happens(exposures: Exposures) -> None:
    """An inner block of a scope that an outer one holds."""
    client = Client(exposures)
    client._make_api_call(1, lambda: None)
    quiesce([], SOON)
    assert client.closed == 0


def test_those_that_begin_later_are_not_waited_for() -> None:
    """A server under load has always some under way."""

    class Message:
        pass

    exposures, old, new = Exposures(), Message(), Message()
    exposures.sent(old)
    waiting = threading.Thread(target=exposures.await_answers, args=(60,))
    waiting.start()
    waiting.join(0.2)
    assert waiting.is_alive()
    exposures.sent(new)
    exposures.answered(old)
    waiting.join(10)
    assert not waiting.is_alive()
    assert exposures.in_use() == "1 request(s) under way"
    exposures.answered(new)
