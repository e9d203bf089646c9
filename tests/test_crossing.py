"""Blocking code entered from coroutines: nothing opened is left to nobody."""

from __future__ import annotations

import asyncio
import threading

import pytest

from mlsecrets._crossing import entered


class Door:
    """Something that takes its time to open."""

    def __init__(self) -> None:
        self.may_open = threading.Event()
        self.opening = threading.Event()
        self.left = threading.Event()
        self.leaves = 0

    def enter(self) -> str:
        self.opening.set()
        assert self.may_open.wait(10)
        return "open"

    def leave(self) -> None:
        self.leaves += 1
        self.left.set()


def test_what_is_entered_is_given() -> None:
    """And not left."""
    door = Door()
    door.may_open.set()
    assert asyncio.run(entered(door.enter, door.leave)) == "open"
    assert door.leaves == 0


def test_the_event_loop_goes_on_meanwhile() -> None:
    """The thread waits, the loop does not."""
    door = Door()

    async def main() -> str:
        task = asyncio.create_task(entered(door.enter, door.leave))
        await asyncio.to_thread(door.opening.wait, 10)
        door.may_open.set()
        return await task

    assert asyncio.run(main()) == "open"


def test_a_task_that_is_cancelled_while_it_opens_leaves_nothing_open() -> None:
    """The thread that still opens it leaves it again."""
    door = Door()

    async def main() -> None:
        task = asyncio.create_task(entered(door.enter, door.leave))
        await asyncio.to_thread(door.opening.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert door.leaves == 0
        door.may_open.set()
        await asyncio.to_thread(door.left.wait, 10)

    asyncio.run(main())
    assert door.leaves == 1


def test_an_error_in_entering_is_the_callers() -> None:
    """There is nothing to leave."""
    door = Door()

    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        asyncio.run(entered(fail, door.leave))
    assert door.leaves == 0
