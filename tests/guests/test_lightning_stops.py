"""An issuer that is shut down while Lightning trains: saved in time, and resumed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import mlflow
import pytest

from mlsecrets.devstack import DevStack
from mlsecrets.errors import LeaseDoomed
from mlsecrets_mlflow import tracking
from tests.guests.lightning_run import BATCHES, EPOCHS, Options, train

ROOT = Path(__file__).parents[2]
#: Seconds for one run, on a busy machine.
PATIENCE = 120
#: Seconds that a save is given.
RESERVE = 8.0


class Ran:
    """What the ranks of a run have told."""

    def __init__(self, told: list[dict[str, Any]], *, well: bool) -> None:
        self.told = told
        self.well = well

    def of(self, event: str) -> list[dict[str, Any]]:
        """All of one kind."""
        return [one for one in self.told if one["event"] == event]


class Runs:
    """Starts runs, and takes their issuer away on time."""

    def __init__(self, stack: DevStack, address: str) -> None:
        self.stack = stack
        self.address = address
        self.folder = f"leases3://checkpoints/run-{uuid.uuid4().hex[:8]}"

    def run(self, name: str, *, away: bool = False, **options: Any) -> Ran:
        """One run; with ``away`` the issuer is, from a batch that waits for that."""
        whole = Options(
            name=name,
            manifest=str(self.stack.manifest_path),
            folder=f"{self.folder}/{name}",
            mlflow=self.address,
            hold=away,
            reserve=RESERVE,
            **options,
        )
        lines: list[dict[str, Any]] = []
        with ExitStack() as outage:

            def tell(**words: Any) -> None:
                lines.append(words)
                if words["event"] == "held":
                    outage.enter_context(self.stack.away("openbao"))

            run = here if whole.strategy == "auto" else elsewhere
            return Ran(lines, well=run(whole, tell))


def here(options: Options, tell: Callable[..., None]) -> bool:
    """Run in this process, which has imported everything; whether that went well."""
    try:
        train(options, tell)
    except LeaseDoomed:
        return False
    return True


def elsewhere(options: Options, tell: Callable[..., None]) -> bool:
    """Run in a process that starts others."""
    path = os.pathsep.join((str(ROOT), str(ROOT / "integrations")))
    command = [sys.executable, "-m", "tests.guests.lightning_run"]
    with subprocess.Popen(
        [*command, json.dumps(asdict(options))],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path},
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if line.startswith("{"):
                    tell(**json.loads(line))
            return process.wait(PATIENCE) == 0
        finally:
            process.kill()


@pytest.fixture
def runs(patient: DevStack) -> Runs:
    """Of this test, in a folder of its own."""
    assert patient.mlflow is not None
    return Runs(patient, patient.mlflow.address)


def tags(address: str, name: str) -> dict[str, str]:
    """What MLflow has of a run that was stopped."""
    with tracking(address):
        (run,) = mlflow.search_runs(
            experiment_names=["stops"],
            filter_string=f"attributes.run_name = '{name}'",
            output_format="list",
        )
    assert run.info.status == "FAILED"
    # All that was logged before the stop has arrived.
    assert run.data.metrics["loss"] > 0
    told: dict[str, str] = run.data.tags
    return told


#: That for each run of the tests, and those of `make matrix`.
USUAL, OTHERS = ("auto",), ("model_parallel", "ddp", "ddp_spawn", "ddp_fork")


@pytest.mark.timeout(400)  # three runs, of two ranks most of them
@pytest.mark.parametrize(
    "strategy", USUAL + (OTHERS if os.environ.get("MLSECRETS_MATRIX") else ())
)
def test_it_is_saved_before_the_end_and_resumed_to_the_same_loss(
    runs: Runs, strategy: str
) -> None:
    """As if nothing had been: the same weights after the same number of steps."""
    name = f"{strategy}-{uuid.uuid4().hex[:4]}"
    whole = runs.run(f"{name}-whole", strategy=strategy)
    assert whole.well
    stopped = runs.run(name, strategy=strategy, away=True)
    assert not stopped.well
    ranks = stopped.of("stopped")
    (checkpoint,) = {one["checkpoint"] for one in ranks}
    assert checkpoint.startswith(runs.folder)
    told = tags(runs.address, name)
    assert told["mlsecrets.state"] == "stopped"
    assert told["mlsecrets.checkpoint"] == checkpoint
    assert "ends in" in told["mlsecrets.reason"]

    resumed = runs.run(f"{name}-again", strategy=strategy, resume=checkpoint)
    assert resumed.well
    for one in (whole, resumed):
        assert {end["steps"] for end in one.of("steps")} == {BATCHES * EPOCHS}
    again, before = resumed.of("ended")[0], whole.of("ended")[0]
    assert again["loss"] == before["loss"]
    assert again["weights"] == before["weights"]
