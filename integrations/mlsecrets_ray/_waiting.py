"""A worker on a node that has just joined waits until the node's owner serves."""

from __future__ import annotations

import os
import threading

from mlsecrets import open_scopes
from mlsecrets.errors import OwnerGone

#: Set, by its actor's own runtime environment, in the process that will be the owner.
OWNER = "MLSECRETS_RAY_OWNER"
#: Seconds for which a worker waits: an owner takes a new process and two issuer calls.
PATIENCE = 30.0
#: Seconds between looks.
POLL = 0.05

_NAMESPACE = b"mlsecrets_ray"


def announce() -> None:
    """Let all workers of this job know that each node has, or will have, an owner."""
    from ray.experimental.internal_kv import _internal_kv_put

    _internal_kv_put(_key(), b"leased", namespace=_NAMESPACE)


def withdraw() -> None:
    """Let them know that there are none any more."""
    from ray.experimental.internal_kv import _internal_kv_del

    _internal_kv_del(_key(), namespace=_NAMESPACE)


def await_owner() -> None:
    """Wait for this node's owner, if the job has announced one and it is not there.

    It returns after `PATIENCE` in any case: the first read says what is wrong.
    """
    if OWNER in os.environ or not _announced():
        return
    nothing = threading.Event()
    for _ in range(int(PATIENCE / POLL)):
        try:
            if open_scopes():
                return
        except OwnerGone:
            pass  # it was killed, and its successor is on its way
        nothing.wait(POLL)


def _announced() -> bool:
    from ray.experimental.internal_kv import _internal_kv_exists

    return bool(_internal_kv_exists(_key(), namespace=_NAMESPACE))


def _key() -> bytes:
    import ray

    job: str = ray.get_runtime_context().get_job_id()
    return job.encode()
