"""A run of Ray Train whose issuer goes away is saved, stops, and is resumed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray")
pytest.importorskip("numpy")

import ray.train
from _ray import training

from mlsecrets import errors
from mlsecrets.devstack import DevStack
from mlsecrets_ray import ClusterLeases
from mlsecrets_ray.train import LeaseCallback, storage_filesystem

#: What Ray itself says when its own defaults are copied.
pytestmark = pytest.mark.filterwarnings(
    "ignore:`use_[a-z0-9_]+` is deprecated:DeprecationWarning"
)

STEPS = 12


@pytest.fixture
def issuer(stack: DevStack, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """OpenBao's process id; it goes on afterwards, whatever was done to it."""
    # Seconds between looks at the workers: they save while credentials live for two.
    monkeypatch.setenv("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.1")
    pid = stack.processes["openbao"]
    yield pid
    os.kill(pid, signal.SIGCONT)


def fit(creds: ClusterLeases, config: dict[str, Any]) -> Any:
    """Train on two workers, under one name: a run that was there before goes on."""
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

    return DataParallelTrainer(
        training.train,
        train_loop_config=config,
        scaling_config=ScalingConfig(
            num_workers=2, resources_per_worker={"CPU": 0.1, "a": 0.01}
        ),
        run_config=RunConfig(
            name="stopped",
            storage_path="checkpoints/run-ray",
            storage_filesystem=storage_filesystem(creds["checkpoints"]),
            failure_config=FailureConfig(max_failures=-1),
            callbacks=[LeaseCallback()],
        ),
    ).fit()


def test_a_run_is_stopped_in_time_and_resumed_and_paused(
    creds: ClusterLeases, stack: DevStack, paths: list[str], issuer: int, tmp_path: Path
) -> None:
    """First it stops, tried again by nobody; then it waits; the loss is as ever."""
    order = [paths[step % len(paths)] for step in range(STEPS)]
    expected = training.Model()
    files = creds["train-data"].filesystem()
    for path in order:
        expected.learn(files.cat_file(path))

    notes = tmp_path / "notes"
    config = {
        "data": creds["train-data"],
        "paths": order,
        "issuer": issuer,
        "notes": str(notes),
    }
    with pytest.raises(ray.train.ControllerError) as failed:
        fit(creds, {**config, "on_doomed": "stop", "away_at": 5})
    stopped = failed.value.controller_failure
    assert isinstance(stopped, errors.LeaseDoomed)
    assert stopped.seconds_left > 0
    assert "checkpoints/run-ray/stopped/checkpoint_" in str(stopped.checkpoint)
    assert sorted(notes.read_text().splitlines()) == [
        "0 stopped at 5",
        "1 stopped at 5",
    ]

    os.kill(issuer, signal.SIGCONT)
    notes.unlink()
    result = fit(creds, {**config, "on_doomed": "pause", "away_at": 9})
    assert sorted(notes.read_text().splitlines()) == [
        f"{rank} {state} at 9" for rank in (0, 1) for state in ("paused", "resumed")
    ]
    assert result.metrics["step"] == STEPS
    assert result.metrics["weight"] == expected.weight
