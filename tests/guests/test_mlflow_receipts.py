"""A run says, in its tags, what it could read and write."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import mlflow
import pytest
from lightning.pytorch.loggers import MLFlowLogger

from mlsecrets import Receipt, lease
from mlsecrets.leaks import find_secrets
from mlsecrets_mlflow import LeaseRunContext, tracking

pytestmark = pytest.mark.usefixtures("platform")


def receipts_of(run_id: str) -> dict[str, Receipt]:
    tags = mlflow.get_run(run_id).data.tags
    return {
        key.removeprefix("mlsecrets.lease."): Receipt.from_json(value)
        for key, value in tags.items()
        if key.startswith("mlsecrets.lease.")
    }


def test_a_run_is_tagged_with_its_leases(address: str) -> None:
    """Nothing has to be called; no tag holds a secret."""
    with lease("train-data", "checkpoints"), tracking(address):
        with mlflow.start_run() as run:
            pass
        told = receipts_of(run.info.run_id)
        assert not find_secrets(mlflow.get_run(run.info.run_id).data.tags)
    assert sorted(told) == ["checkpoints", "mlflow", "train-data"]
    assert told["train-data"].access == ("read s3://datasets/digits/*",)
    assert len(told["train-data"].lease) == 16


def test_a_run_of_lightnings_logger_is_tagged(address: str) -> None:
    """It makes its runs by the client, not by `start_run`."""
    with lease("train-data"), tracking(address):
        logger = MLFlowLogger("guests", tracking_uri=address)
        assert logger.run_id is not None
        assert sorted(receipts_of(logger.run_id)) == ["mlflow", "train-data"]
        logger.finalize("success")


def test_without_leases_runs_are_as_ever() -> None:
    """The provider is installed for everybody."""
    assert not LeaseRunContext().in_context()
    assert LeaseRunContext().tags() == {}


def test_an_owner_that_is_gone_costs_no_run(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    """A run is worth more than its tags; that they are missing is logged."""
    folder = tmp_path / "place"
    folder.mkdir(mode=0o700)
    with monkeypatch.context() as setting, caplog.at_level(logging.WARNING):
        setting.setenv("MLSECRETS_SOCK", os.fspath(folder / "sock"))
        assert not LeaseRunContext().in_context()
        assert LeaseRunContext().tags() == {}
    assert "no lease receipts for this run" in caplog.text
