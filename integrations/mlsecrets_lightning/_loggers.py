"""What loggers can be told of a run that ends early, or waits."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from lightning.fabric.loggers.logger import Logger
from lightning.pytorch.loggers import MLFlowLogger

log = logging.getLogger(__name__)

#: Before the names of what a run is told: its state, the reason, the checkpoint.
PREFIX = "mlsecrets."


def flush(loggers: Iterable[Logger]) -> None:
    """Have them write or send what they have collected; a failure is logged."""
    for logger in loggers:
        try:
            logger.save()
            if isinstance(logger, MLFlowLogger):
                from mlsecrets_mlflow import flush as flush_mlflow

                flush_mlflow()
        except Exception as error:  # noqa: BLE001  the checkpoint is there: go on
            _failed("sent all that it has collected", logger, error)


def mark(loggers: Iterable[Logger], words: Mapping[str, str]) -> None:
    """Note it in the runs themselves: tags of MLflow, texts of TensorBoard.

    Other loggers have no place for it that they share. A failure is logged.

    Args:
        words: the state and what belongs to it, by name.
    """
    for logger in loggers:
        try:
            _mark(logger, words)
        except Exception as error:  # noqa: BLE001  the checkpoint is there: go on
            _failed("marked its run", logger, error)


def fail(loggers: Iterable[Logger]) -> None:
    """End their runs as failed, as Lightning does later where it can.

    Later may be too late for a lease, and an error of its would hide why the run ends.
    """
    for logger in loggers:
        try:
            logger.finalize("failed")
        except Exception as error:  # noqa: BLE001  the checkpoint is there: go on
            _failed("ended its run", logger, error)
        logger.finalize = _Ended(logger)  # type: ignore[method-assign]


class _Ended:
    """Takes the place of a logger's `finalize` for one call: its run has ended."""

    def __init__(self, logger: Logger) -> None:
        self._logger = logger

    def __call__(self, status: str) -> None:
        vars(self._logger).pop("finalize", None)


def _mark(logger: Logger, words: Mapping[str, str]) -> None:
    experiment: Any = getattr(logger, "experiment", None)
    if isinstance(logger, MLFlowLogger):
        for name, text in words.items():
            experiment.set_tag(logger.run_id, PREFIX + name, text)
    elif hasattr(experiment, "add_text"):
        for name, text in words.items():
            experiment.add_text(PREFIX + name, text)


def _failed(what: str, logger: Logger, error: Exception) -> None:
    # By its type alone: what a server answered may hold what it was sent.
    log.warning("%s has not %s: %s", type(logger).__name__, what, type(error).__name__)
