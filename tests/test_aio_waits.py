"""Coroutines that need an expired lease: they wait together, on one thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from mlsecrets.errors import IssuerUnavailable, LeaseExpired
from mlsecrets.storage._aio import _waited_for
from tests.life import TTL, World


class Slow:
    """An issuer that answers when it may."""

    def __init__(self, world: World) -> None:
        self.asked, self.may_answer = threading.Event(), threading.Event()
        self._issue = world.issuer.issue
        world.issuer.issue = self  # type: ignore[method-assign, assignment]

    def __call__(self, *args: Any) -> Any:
        self.asked.set()
        assert self.may_answer.wait(10)
        return self._issue(*args)


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    made.live.open()
    made.clock.advance(TTL + 1)
    yield made
    made.issuer.failures = []
    made.end()


def waiting_threads() -> int:
    return sum(thread.name.startswith("asyncio_") for thread in threading.enumerate())


def test_two_hundred_requests_wait_on_one_thread(world: World) -> None:
    """The loop's other threads stay free for the rest of the program."""
    slow = Slow(world)
    others = waiting_threads()  # of loops of other tests

    async def main() -> None:
        tasks = [asyncio.create_task(_waited_for(world.live)) for _ in range(200)]
        while not slow.asked.is_set():  # noqa: ASYNC110  set by a thread
            await asyncio.sleep(0)
        assert waiting_threads() == others + 1
        slow.may_answer.set()
        grants = await asyncio.gather(*tasks)
        assert {grant.terms.generation for grant in grants} == {2}

    asyncio.run(main())
    assert world.issuer.count("issue") == 2


def test_a_request_that_is_given_up_takes_nothing_from_the_others(
    world: World,
) -> None:
    """Its neighbour still gets the answer."""
    slow = Slow(world)

    async def main() -> None:
        given_up = asyncio.create_task(_waited_for(world.live))
        kept = asyncio.create_task(_waited_for(world.live))
        while not slow.asked.is_set():  # noqa: ASYNC110  set by a thread
            await asyncio.sleep(0)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):
            await given_up
        slow.may_answer.set()
        assert (await kept).terms.generation == 2

    asyncio.run(main())


def test_a_failure_reaches_all_who_wait_and_is_not_kept(world: World) -> None:
    """Whoever comes later asks anew."""
    world.issuer.failures = [IssuerUnavailable("away")]

    async def main() -> None:
        both = (_waited_for(world.live), _waited_for(world.live))
        errors = await asyncio.gather(*both, return_exceptions=True)
        assert [type(error) for error in errors] == [LeaseExpired, LeaseExpired]
        world.clock.advance(2.0)
        assert (await _waited_for(world.live)).terms.generation == 2

    asyncio.run(main())


def test_two_loops_do_not_share_a_wait(world: World) -> None:
    """A future of one loop means nothing to another."""
    for _ in range(2):
        assert asyncio.run(_waited_for(world.live)).terms.generation == 2
