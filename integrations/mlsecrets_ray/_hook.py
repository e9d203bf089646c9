"""What each worker process of a job does before its first task: find its node's place.

Ray calls it once in every worker, those of Data, Train, Tune and Serve included. It
sets one environment variable, a name, and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import Any

from mlsecrets.storage.worker_s3 import route_plain_s3

from ._waiting import await_owner

#: How Ray finds the hook.
HOOK = "mlsecrets_ray.setup_hook"
#: Names the hook of the user, which is called after ours.
NEXT = "MLSECRETS_RAY_NEXT_HOOK"
#: Names the job, to `mlsecrets`: its processes on one machine meet by that.
JOB = "MLSECRETS_JOB"


def setup_hook() -> None:
    """Have this worker read the leases of its node; then run the user's own hook.

    For ``worker_process_setup_hook``; `runtime_env` puts it there. A hook of your own
    may as well call it.
    """
    job = job_here()
    if job is not None:
        os.environ[JOB] = job
        route_plain_s3()
        await_owner()
    following = os.environ.get(NEXT)
    if following:
        module, _, name = following.rpartition(".")
        getattr(import_module(module), name)()


def job_here() -> str | None:
    """What the processes of this Ray job on this node have in common.

    The node's id is a part of it: nodes may share a machine and its folders, in tests.
    None in a process of Ray's that works for no job.
    """
    import ray

    context = ray.get_runtime_context()
    job = context.get_job_id()
    return f"ray:{job}:{context.get_node_id()}" if job else None


class _Composed:
    """Our hook, and then the user's function; pickled as a reference to this class."""

    def __init__(self, following: Callable[[], Any]) -> None:
        self.following = following
        # Ray shows it as the name of the hook.
        self.__name__ = HOOK

    def __call__(self) -> None:
        setup_hook()
        self.following()


def composed(following: Callable[[], Any]) -> Callable[[], None]:
    """A hook that runs ours and then another."""
    return _Composed(following)


def has_hook(env: Any) -> bool:
    """Whether a job with such a runtime environment has any hook for its workers.

    Its name may be the user's: theirs may call ours.
    """
    return bool(env and env.get("worker_process_setup_hook"))
