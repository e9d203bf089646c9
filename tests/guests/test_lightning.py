"""A Trainer on leased credentials."""

from __future__ import annotations

import io
import pickle
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec
import mlflow
import pytest
import torch
from lightning import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, MLFlowLogger

from mlsecrets import lease
from mlsecrets.devstack import DevStack
from mlsecrets.errors import NotLeased
from mlsecrets_lightning import LeaseCallback
from mlsecrets_mlflow import tracking

from .lightning_parts import Interrupt, TinyNet, Until

if TYPE_CHECKING:
    from lightning.pytorch.callbacks import Callback

    from .conftest import Front

#: Seconds: longer than credentials that live 4.
OUTLIVED = 5.0

pytestmark = [
    pytest.mark.usefixtures("data"),
    # Lightning 2.6 with torch 2.13, in its own pytree helpers.
    pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning"),
    # Advice on speed, which is not what these runs are for.
    pytest.mark.filterwarnings("ignore:.*does not have many workers:UserWarning"),
]


@pytest.fixture
def folder() -> str:
    """A place for checkpoints that no other test uses."""
    return f"checkpoints/run-{uuid.uuid4().hex[:8]}"


def trainer(tmp_path: Path, **options: Any) -> Trainer:
    """A trainer that shows nothing."""
    quiet = {
        "accelerator": "cpu",
        "devices": 1,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "log_every_n_steps": 1,
        "default_root_dir": tmp_path,
        "max_epochs": 1,
    }
    return Trainer(**{**quiet, **options})


def run_of(logger: MLFlowLogger) -> str:
    """The run that a logger wrote to."""
    assert logger.run_id is not None
    return logger.run_id


def load(url: str) -> dict[str, Any]:
    """A checkpoint, read back from the store."""
    with fsspec.open(url) as file:
        loaded: dict[str, Any] = torch.load(io.BytesIO(file.read()), weights_only=False)
    return loaded


def test_a_run_outlives_its_credentials(
    address: str, folder: str, tmp_path: Path
) -> None:
    """Data, checkpoints and metrics go on, and no secret stays in any of them."""
    scopes = "train-data", "checkpoints", "mlflow"
    watch = Until(OUTLIVED, *scopes)
    with lease(*scopes) as creds, tracking(address):
        metrics = MLFlowLogger("lightning", tracking_uri=address, synchronous=False)
        trainer(
            tmp_path,
            max_epochs=-1,
            logger=[CSVLogger(tmp_path), metrics],
            callbacks=[
                LeaseCallback(*scopes),
                ModelCheckpoint(dirpath=f"leases3://{folder}/", save_last=True),
                watch,
            ],
        ).fit(TinyNet(workers=2, options=creds["train-data"].storage_options))
        last = load(f"leases3://{folder}/last.ckpt")
        with fsspec.open(f"leases3://{folder}/last.ckpt") as file:
            written = [file.read()]
    with tracking(address):
        run = mlflow.get_run(run_of(metrics))
        history = mlflow.MlflowClient().get_metric_history(run_of(metrics), "loss")
    assert run.info.status == "FINISHED"
    assert all(len(seen) > 2 for seen in watch.generations.values())
    # Two batches an epoch, each logged.
    assert len(history) == last["global_step"] == 2 * (last["epoch"] + 1)
    written += [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    written += [str(run.data).encode()]
    assert len(watch.secrets) > 6
    for secret in watch.secrets:
        assert not any(secret.encode() in content for content in written)


@pytest.mark.parametrize("callbacks", [[], [Interrupt()]], ids=["ends", "raises"])
def test_pending_metrics_are_sent_before_the_lease_ends(
    front: Front,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    callbacks: list[Callback],
) -> None:
    """Lightning finalizes its loggers in time, after an exception too."""
    monkeypatch.setenv("MLFLOW_TRACKING_AUTH", "mlsecrets")
    with lease("mlflow", "train-data"):
        metrics = MLFlowLogger("slow", tracking_uri=front.address, synchronous=False)
        run_of(metrics)
        front.delay = 0.5
        with suppress(ZeroDivisionError):
            trainer(
                tmp_path,
                logger=metrics,
                enable_checkpointing=False,
                callbacks=[LeaseCallback("mlflow"), *callbacks],
            ).fit(TinyNet())
    # Loss and epoch of both batches.
    assert front.metrics == 4


def test_a_lease_that_is_not_open_stops_the_run_before_it_begins(
    platform: DevStack, tmp_path: Path
) -> None:
    """Not at the first checkpoint, hours later."""
    model = TinyNet()
    with lease("train-data"), pytest.raises(NotLeased, match="checkpoints"):
        trainer(
            tmp_path,
            logger=False,
            callbacks=[LeaseCallback("train-data", "checkpoints")],
        ).fit(model)
    assert model.trainer.global_step == 0


@pytest.mark.parametrize("scheme", ["s3", "leases3"])
def test_checkpoints_where_no_lease_may_write_stop_it_too(
    platform: DevStack, tmp_path: Path, scheme: str
) -> None:
    """A folder outside of the scope's access is found before the first batch."""
    model = TinyNet()
    with lease("train-data", "checkpoints"):
        checkpoint = ModelCheckpoint(dirpath=f"{scheme}://checkpoints/my-own/")
        with pytest.raises(NotLeased, match=r"writing s3://checkpoints/my-own/"):
            trainer(
                tmp_path, logger=False, callbacks=[LeaseCallback(), checkpoint]
            ).fit(model)
    assert model.trainer.global_step == 0


def test_local_checkpoints_are_none_of_its_business(
    platform: DevStack, tmp_path: Path
) -> None:
    """Only what goes to a leased store is checked."""
    with lease("train-data"):
        checkpoint = ModelCheckpoint(dirpath=tmp_path / "checkpoints")
        trainer(tmp_path, logger=False, callbacks=[LeaseCallback(), checkpoint]).fit(
            TinyNet()
        )
    assert list((tmp_path / "checkpoints").iterdir())


def test_the_callback_carries_names_only(platform: DevStack) -> None:
    """Its pickle goes to every spawned rank, its state into every checkpoint."""
    with lease("mlflow") as held:
        callback = LeaseCallback("mlflow")
        again = pickle.loads(pickle.dumps(callback))
        token = held.snapshot().credentials.reveal("token")
        assert token.encode() not in pickle.dumps(callback)
    assert again.scopes == ("mlflow",)
    assert callback.state_dict() == {}
