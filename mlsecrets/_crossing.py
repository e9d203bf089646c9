"""From coroutines into blocking code and back, so that there need be no second tree."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def entered(enter: Callable[[], T], leave: Callable[[], object]) -> T:
    """Enter something on a thread, while the event loop goes on.

    A thread cannot be cancelled. If the task that waits for it is, what the thread
    still opens is left again by the thread itself, as soon as it is there.

    Args:
        enter: opens it; blocks.
        leave: undoes `enter`; blocks.
    """
    lock = threading.Lock()
    wanted, done = True, False

    def enter_or_leave() -> T:
        nonlocal done
        opened = enter()
        with lock:
            done = True
            keep = wanted
        if not keep:
            leave()
        return opened

    try:
        return await asyncio.to_thread(enter_or_leave)
    except asyncio.CancelledError:
        with lock:
            wanted, late = False, done
        if late:
            await asyncio.shield(asyncio.to_thread(leave))
        raise
