"""A plain loop, as `mlsecrets.training.ExpiryWatch` has it saved and ended."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from mlsecrets.training import State

from ._mlflow import flush_mlflow, mark_mlflow
from .ranks import any_rank

log = logging.getLogger(__name__)


class TorchRun:
    """What `ExpiryWatch` may ask of a loop of one's own; each rank has one.

    ::

        run = TorchRun(save)
        with lease("train-data", "checkpoints"), ExpiryWatch() as watch:
            for batch in batches:
                train(batch)
                watch.step(run)

    Args:
        save: writes a checkpoint to resume from, and says where; called on every rank.
        flush: has loggers send what they have queued. If it is None: what MLflow has.
        mark: notes a state (``stopped``, ``paused``, ``resumed``) and the reason. If it
            is None: in tags of the MLflow run that is active, ``mlsecrets.state``,
            ``mlsecrets.reason`` and ``mlsecrets.checkpoint``.
        group: the ranks that train together; all of them if it is None. One with a
            backend for CPUs is asked without waiting for a GPU.
    """

    def __init__(
        self,
        save: Callable[[], str | None],
        flush: Callable[[], None] | None = None,
        mark: Callable[[State, str], None] | None = None,
        group: Any = None,
    ) -> None:
        self._save = save
        self._flush = flush
        self._mark = mark
        self._group = group
        self._checkpoint: str | None = None

    def any(self, here: bool) -> bool:  # noqa: FBT001  as in `Run`
        """Whether any rank says so."""
        return any_rank(here, self._group)

    def save(self) -> str | None:
        """Write a checkpoint; where."""
        self._checkpoint = self._save()
        return self._checkpoint

    def flush(self) -> None:
        """Have loggers send what they have queued; a failure is logged."""
        self._attempt("flushed its loggers", self._flush or flush_mlflow)

    def mark(self, state: State, words: str) -> None:
        """Note the state in the run's own record; a failure is logged."""
        if self._mark is not None:
            self._attempt("marked itself", self._mark, state, words)
            return
        told: dict[str, str] = {"state": state, "reason": words}
        if self._checkpoint is not None:
            told["checkpoint"] = self._checkpoint
        self._attempt("marked itself", mark_mlflow, **told)

    def _attempt(
        self, what: str, call: Callable[..., None], *args: Any, **kwargs: Any
    ) -> None:
        # The checkpoint is there: a server that is away must not keep the run from
        # telling where.
        try:
            call(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  see above
            # By its type alone: what a server answered may hold what it was sent.
            log.warning("the run has not %s: %s", what, type(error).__name__)
