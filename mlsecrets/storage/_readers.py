"""Closing what has read a lease before its credentials are ended and swept.

A client keeps connections, and in their buffers what it sent last. Closed, it makes new
ones should it be used again: a client that somebody kept goes on with other leases.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from typing import Any

from .._current import current
from ..clock import SYSTEM_CLOCK
from . import _flights, plain_s3

log = logging.getLogger("mlsecrets")

# Closings that nobody waits for; an event loop keeps no task alive by itself.
_closing: set[asyncio.Task[None]] = set()


def quiesce(ending: Iterable[str], timeout: float) -> None:
    """Let calls with these leases end, and close the clients that only they were for.

    Never raises and never waits longer than it may; what is still under way then shows
    in `Exposures.in_use`. On the thread of a running event loop, its own clients are
    closed as soon as it goes on.

    Args:
        ending: scopes of the leases that end; call it before they are ended.
        timeout: seconds for all of it.
    """
    ended = frozenset(ending)
    if not ended:
        return
    until = SYSTEM_CLOCK.monotonic() + timeout
    _flights.wait_for(ended, timeout)
    waiting = [
        closing
        for client, served in _flights.clients()
        if served.scopes & ended and not _needed(served.scopes - ended)
        for closing in _close(client, served.loop)
    ]
    for closing in waiting:
        with suppress(FutureTimeout, CancelledError):
            _tell(closing.exception(max(until - SYSTEM_CLOCK.monotonic(), 0.0)))
        closing.cancel()
    plain_s3.drop_cached()


def _needed(scopes: Iterable[str]) -> bool:
    """Whether a lease of one of these stays open here."""
    session = current()
    return session is not None and any(map(session.holds, scopes))


def _close(client: Any, loop: asyncio.AbstractEventLoop | None) -> list[Future[None]]:
    """Close a client; what there is to wait for, if it takes its event loop."""
    if loop is None:
        try:
            client.close()
        except Exception as error:  # noqa: BLE001  the lease must end all the same
            _tell(error)
        return []
    if not loop.is_running():
        return []  # nothing on it can be closed, nor is anything on it under way
    if loop is _running():
        task = loop.create_task(client.close())
        _closing.add(task)
        task.add_done_callback(_closed)
        return []
    return [asyncio.run_coroutine_threadsafe(client.close(), loop)]


def _closed(task: asyncio.Task[None]) -> None:
    _closing.discard(task)
    _tell(None if task.cancelled() else task.exception())


def _tell(error: BaseException | None) -> None:
    if error is not None:
        log.warning("a client was not closed: %s", type(error).__name__)


def _running() -> asyncio.AbstractEventLoop | None:
    with suppress(RuntimeError):
        return asyncio.get_running_loop()
    return None
