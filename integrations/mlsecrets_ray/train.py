"""Ray Train (v2) that ends in time: saved while its credentials still live.

::

    def train(config):
        with ExpiryWatch("train-data", "checkpoints") as watch:
            run = TrainRun(save)           # save() reports a checkpoint, on every rank
            for step in range(begin, config["steps"]):
                ...
                watch.step(run)

    TorchTrainer(
        train,
        run_config=RunConfig(
            storage_path="checkpoints/run-7",
            storage_filesystem=storage_filesystem(creds["checkpoints"]),
            callbacks=[LeaseCallback()],
        ),
    ).fit()
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import ray
import ray.train
import ray.train.collective
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from mlsecrets.errors import LeaseDoomed
from mlsecrets.training import State

from ._storage import storage_filesystem

__all__ = ["LeaseCallback", "TrainRun", "storage_filesystem"]

_NAMESPACE = "mlsecrets_ray"


class TrainRun:
    """A run of Ray Train, as `mlsecrets.training.ExpiryWatch` wants it.

    To be made once in the training function, by every rank. Ranks agree through an
    actor of their own, whatever they train with: torch need not be there.

    Args:
        save: reports a checkpoint by `ray.train.report`; called on every rank.
        flush: has loggers send what they have queued.
        mark: notes what becomes of the run, and why, in its record; such as tags of
            MLflow. Ray keeps none.
    """

    def __init__(
        self,
        save: Callable[[], object],
        *,
        flush: Callable[[], object] | None = None,
        mark: Callable[[State, str], object] | None = None,
    ) -> None:
        self._save = save
        self._flush = flush
        self._mark = mark
        self._ranks = _agreement()

    def any(self, here: bool) -> bool:  # noqa: FBT001  a collective's one operand
        """Whether any rank says so; a call of one actor, where there are several."""
        if self._ranks is None:
            return here
        return bool(ray.get(self._ranks.any.remote(here)))

    def save(self) -> str | None:
        """Have the checkpoint reported, and entered into the run; its path.

        It returns once the controller has written that down, with a lease that still
        lives: a run is resumed from no other checkpoint.
        """
        before = _newest()
        self._save()
        after = _newest()
        return None if after == before else after

    def flush(self) -> None:
        """Call what was given for that."""
        if self._flush is not None:
            self._flush()

    def mark(self, state: State, words: str) -> None:
        """Call what was given for that."""
        if self._mark is not None:
            self._mark(state, words)


class LeaseCallback(ray.train.UserCallback):
    """Has a run that its leases stopped fail at once, and not be tried again.

    ``max_failures`` is for what may go better next time. A run that is started again
    while its lease is doomed is stopped at its first step, until no try is left. So
    ``fit`` raises `ray.train.ControllerError`, whose ``controller_failure`` is the
    `LeaseDoomed`. Start it again under the same name once the issuer grants the lease:
    it goes on from its last checkpoint.
    """

    def after_exception(
        self, run_context: Any, worker_exceptions: Mapping[int, BaseException]
    ) -> None:
        """Raise what a rank was stopped by; what is raised here is not retried.

        Raises:
            LeaseDoomed: that was it.
        """
        for error in worker_exceptions.values():
            # Ray wraps what a training function raises, and has no public name for it.
            cause = getattr(error, "_base_exc", error)
            if isinstance(cause, LeaseDoomed):
                raise cause


class Agreement:
    """The actor by which ranks agree: each says something, and all hear the same.

    Args:
        ranks: how many there are.
    """

    def __init__(self, ranks: int) -> None:
        self._ranks = ranks
        self._said: list[bool] = []
        self._answer: asyncio.Future[bool] | None = None

    async def any(self, here: bool) -> bool:  # noqa: FBT001  see `TrainRun.any`
        """Whether any rank says so, once all have said something."""
        if self._answer is None:
            self._answer = asyncio.get_running_loop().create_future()
        answer = self._answer
        self._said.append(here)
        if len(self._said) == self._ranks:
            answer.set_result(any(self._said))
            self._said, self._answer = [], None
        return await answer


def _agreement() -> Any:
    """The actor of these ranks, which ends with the first of them; None for one."""
    context = ray.train.get_context()
    ranks = context.get_world_size()
    if ranks == 1:
        return None
    actor, name = None, None
    if context.get_world_rank() == 0:
        name = f"ranks-{uuid.uuid4().hex}"
        here = NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        )
        actor = (
            ray.remote(Agreement)
            .options(
                name=name,
                namespace=_NAMESPACE,
                num_cpus=0,
                max_concurrency=ranks + 1,
                scheduling_strategy=here,
            )
            .remote(ranks)
        )
    name = ray.train.collective.broadcast_from_rank_zero(name)
    return actor or ray.get_actor(name, namespace=_NAMESPACE)


def _newest() -> str | None:
    """The path of the last checkpoint that the controller knows of, of any rank."""
    reported = ray.train.get_all_reported_checkpoints(
        consistency_mode=ray.train.CheckpointConsistencyMode.COMMITTED
    )
    return str(reported[-1].checkpoint.path) if reported else None
