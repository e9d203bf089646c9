"""The MLflow run that is active in this process, if there is one."""

from __future__ import annotations

import sys
from typing import Any

#: Before the names of what a run is told: its state, the reason, the checkpoint.
PREFIX = "mlsecrets."


def flush_mlflow() -> None:
    """Have what was logged asynchronously sent."""
    if _active() is not None:
        from mlsecrets_mlflow import flush

        flush()


def mark_mlflow(**words: str) -> None:
    """Note words in the run: tags such as ``mlsecrets.state``."""
    mlflow = _active()
    if mlflow is not None:
        mlflow.set_tags({PREFIX + name: text for name, text in words.items()})


def _active() -> Any:
    """MLflow, if this process has a run of it: it is not imported for nothing."""
    mlflow = sys.modules.get("mlflow")
    return mlflow if mlflow is not None and mlflow.active_run() is not None else None
