"""Environment variables on leases: a revealing reader, and the last resort.

For programs and libraries that look nowhere else. What stands in the environment is
inherited by every process started in the block, where it can be read in
``/proc/PID/environ`` by the same user for as long as that process lives. It is of one
generation: rotation does not reach it. The C library keeps copies of what it once held.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from .._reference import Reference

READER = "environment"
_turn = threading.Lock()


class _Block:
    """Alive while the variables are set."""


@contextmanager
def lent(reference: Reference) -> Iterator[None]:
    """Set the ``AWS_...`` variables to a lease's values for a block.

    Restores exactly what was there before, whatever the block did to it. One block at a
    time in a process: the environment belongs to all of its threads.

    Raises:
        RuntimeError: another block is open.
        LeaseClosed, LeaseExpired: there are no values.
    """
    if not _turn.acquire(blocking=False):
        raise RuntimeError(
            "the environment of this process holds a lease's credentials already; "
            "leave that environ() block first"
        )
    try:
        credentials = reference.source().snapshot().credentials
        block = _Block()
        credentials.exposures.holds(READER, block)
        shown = {
            "AWS_ACCESS_KEY_ID": credentials.public["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": credentials.reveal("secret_access_key", READER),
            "AWS_SESSION_TOKEN": credentials.reveal("session_token", READER),
            **place(reference.view().connection),
        }
        before = {name: os.environ.get(name) for name in shown}
        try:
            os.environ.update(shown)
            del shown
            yield
        finally:
            _restore(before)
            del block
    finally:
        _turn.release()


def place(connection: Mapping[str, str]) -> dict[str, str]:
    """Where the store is, in the variables of AWS's SDKs ("Settings reference")."""
    words = {
        "endpoint_url": ["AWS_ENDPOINT_URL_S3"],
        "region_name": ["AWS_REGION", "AWS_DEFAULT_REGION"],
        "ca_file": ["AWS_CA_BUNDLE"],
    }
    return {to: value for name, value in connection.items() for to in words[name]}


def _restore(before: Mapping[str, str | None]) -> None:
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
