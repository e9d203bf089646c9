"""The Hugging Face Trainer and Accelerate on leased credentials."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import fsspec
import mlflow
import pytest
import torch
from accelerate import Accelerator

from mlsecrets import lease
from mlsecrets.devstack import DevStack
from mlsecrets.errors import LeaseDoomed, NotLeased, SecretLeak
from mlsecrets.training import ExpiryWatch, SaveRoom
from mlsecrets_mlflow import tracking
from mlsecrets_transformers import AccelerateRun, LeaseTrainerCallback

from .transformers_parts import (
    STEPS,
    Before,
    Items,
    Net,
    losses,
    numbers,
    trainer,
    weights,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:torch.*"),
    pytest.mark.filterwarnings("ignore::UserWarning:torch.*"),
    pytest.mark.filterwarnings("ignore::FutureWarning:torch.*"),
]
#: Seconds: longer than credentials that live 4.
OUTLIVED = 5.0
#: Seconds that a save is given here.
RESERVE = 8.0


@pytest.fixture
def url() -> str:
    """A place for checkpoints that no other test uses."""
    return f"leases3://checkpoints/run-{uuid.uuid4().hex[:8]}"


class Outage:
    """Takes the issuer away until there is just enough time for a save."""

    def __init__(self, stack: DevStack) -> None:
        self.stack = stack
        self.away = ExitStack()

    def begin(self) -> None:
        """Until a save is due."""
        self.away.enter_context(self.stack.away("openbao"))
        with ExpiryWatch("checkpoints", room=SaveRoom(RESERVE)) as watch:
            wait_for(lambda: watch.due() is not None)

    def end(self) -> None:
        """It answers again."""
        self.away.close()


@pytest.fixture
def outage(patient: DevStack) -> Iterator[Outage]:
    """One that ends with the test."""
    outage = Outage(patient)
    yield outage
    outage.end()


def wait_for(condition: Any) -> None:
    """Wait until it is so."""
    for _ in range(600):
        if condition():
            return
        threading.Event().wait(0.05)
    raise AssertionError("it never was so")


def names(url: str) -> set[str]:
    """The folders at a URL that have objects in them."""
    fs = fsspec.filesystem("leases3")
    fs.invalidate_cache()
    return {path.split("/")[-2] for path in fs.find(url.removeprefix("leases3://"))}


def test_a_run_outlives_its_credentials(
    platform: DevStack, tmp_path: Path, url: str
) -> None:
    """Its checkpoints are at the leased URL, rotated as on the disk."""

    def wait() -> None:
        threading.Event().wait(OUTLIVED)

    with lease("checkpoints"):
        callback = LeaseTrainerCallback("checkpoints", checkpoints=url)
        trainer(
            tmp_path,
            Before(6, wait),
            callback,
            save_strategy="steps",
            save_steps=3,
            save_total_limit=2,
        ).train()
        assert names(url) == {"checkpoint-9", "checkpoint-12"}
        assert callback.mirror is not None
        assert callback.mirror.names() == ["checkpoint-9", "checkpoint-12"]


def test_it_is_saved_before_the_end_and_resumed_to_the_same_loss(
    patient: DevStack,
    outage: Outage,
    tmp_path: Path,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The run is marked; fetched elsewhere, it goes on as if nothing had been."""
    assert patient.mlflow is not None
    address = patient.mlflow.address
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "stops")  # one that the job may use
    whole = trainer(tmp_path / "whole")
    whole.train()
    with lease("checkpoints", "mlflow"), tracking(address):
        callback = LeaseTrainerCallback(checkpoints=url, room=SaveRoom(RESERVE))
        stopped = trainer(
            tmp_path / "here",
            Before(5, outage.begin),
            callback,
            report_to="mlflow",
            run_name=url,
        )
        with pytest.raises(LeaseDoomed) as stop:
            stopped.train()
        outage.end()
        assert stop.value.checkpoint == f"{url}/checkpoint-6"
        run = mlflow.active_run()
        assert run is not None
        tags = mlflow.get_run(run.info.run_id).data.tags
        mlflow.end_run()
    assert tags["mlsecrets.state"] == "stopped"
    assert tags["mlsecrets.checkpoint"] == stop.value.checkpoint

    with lease("checkpoints"):
        callback = LeaseTrainerCallback(checkpoints=url)
        resumed = trainer(tmp_path / "there", callback)
        folder = callback.resume_from(resumed.args)
        assert folder == str(tmp_path / "there" / "checkpoint-6")
        resumed.train(resume_from_checkpoint=folder)
    assert resumed.state.global_step == STEPS
    assert weights(resumed) == weights(whole)
    assert losses(resumed) == losses(whole)


def test_it_pauses_until_the_issuer_is_back(
    outage: Outage, tmp_path: Path, url: str
) -> None:
    """And then goes on to the end, by itself."""
    with lease("checkpoints"):
        callback = LeaseTrainerCallback(
            checkpoints=url, on_doomed="pause", room=SaveRoom(RESERVE)
        )

        def begin() -> None:
            outage.begin()
            threading.Timer(1.5, outage.end).start()

        run = trainer(tmp_path, Before(5, begin), callback)
        run.train()
        assert run.state.global_step == STEPS
        assert names(url) == {"checkpoint-6"}


def test_what_is_missing_is_said_before_the_first_batch(
    platform: DevStack, tmp_path: Path, url: str
) -> None:
    """A scope that is not open; a place that no lease covers; a folder like a URL."""
    with pytest.raises(NotLeased):
        trainer(tmp_path, LeaseTrainerCallback("train-data")).train()
    with lease("train-data"), pytest.raises(NotLeased):
        trainer(tmp_path, LeaseTrainerCallback(checkpoints=url)).train()
    with pytest.raises(ValueError, match="output_dir is a folder of the local disk"):
        trainer("s3://bucket", LeaseTrainerCallback())
    with pytest.raises(ValueError, match="got '/tmp/here'"):
        LeaseTrainerCallback(checkpoints="/tmp/here")
    with pytest.raises(ValueError, match="nothing to fetch"):
        LeaseTrainerCallback().resume_from(trainer(tmp_path).args)


def test_a_secret_in_the_arguments_is_refused(
    platform: DevStack, tmp_path: Path
) -> None:
    """Before ``training_args.bin`` or a logger has it."""
    with lease("checkpoints") as held:
        secret = held.snapshot().credentials.reveal("secret_access_key")
        with pytest.raises(SecretLeak, match=r"training_args\.bin"):
            trainer(tmp_path, LeaseTrainerCallback(), run_name=f"key={secret}")


def test_accelerate_is_saved_and_resumed_to_the_same_loss(
    outage: Outage, tmp_path: Path, url: str
) -> None:
    """The same, for a loop of one's own."""

    def train(folder: Path, before: Any = None) -> list[float]:
        accelerator = Accelerator(cpu=True)
        net = Net()
        descent = torch.optim.Adam(net.parameters(), lr=0.05)
        net, descent = accelerator.prepare(net, descent)
        room = SaveRoom(RESERVE)
        with ExpiryWatch(room=room) as watch:
            step = 0
            run = AccelerateRun(accelerator, folder, lambda: step, url, room)
            found = run.resume_from()
            if found is not None:
                accelerator.load_state(found)
                step = int(found.rpartition("-")[2])
            while step < STEPS:
                if step == 5 and before is not None:
                    before()
                batch = torch.stack([Items()[2 * step + i]["numbers"] for i in (0, 1)])
                loss = net(batch)["loss"]
                accelerator.backward(loss)
                descent.step()
                descent.zero_grad()
                step += 1
                watch.step(run)
        return [loss.item(), *numbers(net)]

    with lease("checkpoints"):
        whole = train(tmp_path / "whole")
        with pytest.raises(LeaseDoomed) as stop:
            train(tmp_path / "here", outage.begin)
        assert stop.value.checkpoint == f"{url}/checkpoint-6"
        outage.end()
        assert train(tmp_path / "there") == whole
