"""What Lightning writes of a run holds no live secret: it is refused before."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader

from mlsecrets import BearerToken
from mlsecrets.errors import SecretLeak
from mlsecrets_lightning import LeaseCallback, LeaseCheckpointIO

pytestmark = [
    # Lightning 2.6 with torch 2.13, in its own pytree helpers.
    pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*does not have many workers:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*Checkpoint directory.*:UserWarning"),
]


class Net(LightningModule):
    """Learns nothing; takes what a user may pass along.

    Args:
        options: goes to the hyper-parameters.
        late: is put there in `setup`, after the callbacks' own.
        kept: is put into checkpoints.
    """

    def __init__(self, options: Any = None, late: Any = None, kept: Any = None) -> None:
        super().__init__()
        self.save_hyperparameters("options")
        self.late = late
        self.kept = kept
        self.layer = torch.nn.Linear(4, 1)

    def setup(self, stage: str) -> None:
        if self.late is not None:
            self.hparams["late"] = self.late

    def training_step(self, batch: torch.Tensor, index: int) -> torch.Tensor:
        loss: torch.Tensor = self.layer(batch).square().mean()
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.01)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self.kept is not None:
            checkpoint["kept"] = self.kept


class Data(LightningDataModule):
    """Four numbers; has hyper-parameters of its own."""

    def __init__(self, token: str = "") -> None:
        super().__init__()
        self.save_hyperparameters()

    def train_dataloader(self) -> DataLoader[torch.Tensor]:
        return DataLoader(torch.ones(2, 4))  # type: ignore[arg-type]  # as good as one


class WritesLate(CSVLogger):
    """Collects hyper-parameters, and writes them on `save`, as TensorBoard's does."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.hparams: dict[str, Any] = {}
        self.file = folder / "late.txt"

    def save(self) -> None:
        self.file.write_text(str(self.hparams), encoding="utf-8")
        super().save()


class Remembers(Callback):
    """Keeps a value in checkpoints, as a callback's state."""

    def __init__(self, value: str) -> None:
        self.value = value

    def state_dict(self) -> dict[str, Any]:
        return {"value": self.value}


@pytest.fixture
def token() -> Iterator[str]:
    """A live one."""
    held = BearerToken.of(secrets.token_hex(20))
    yield held.reveal("token")
    held.close()


def fit(
    folder: Path, model: Net, data: Data, *callbacks: Callback, **options: Any
) -> Trainer:
    """A run with a logger that writes hyper-parameters, and checkpoints."""
    trainer = Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=1,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
        default_root_dir=folder,
        callbacks=[*callbacks, ModelCheckpoint(dirpath=folder / "checkpoints")],
        **{"logger": CSVLogger(folder), **options},
    )
    trainer.fit(model, data)
    return trainer


def holding(folder: Path, token: str) -> set[str]:
    """Names of the files that hold it."""
    return {
        path.name
        for path in folder.rglob("*")
        if path.is_file() and token.encode() in path.read_bytes()
    }


CARRIERS: dict[str, Any] = {
    "module": lambda t: (Net({"storage_options": {"token": t}}), Data()),
    "module, late": lambda t: (Net(late=["x", t]), Data()),
    "data module": lambda t: (Net(), Data(t)),
}


@pytest.mark.parametrize(
    ("carrier", "where"),
    [
        ("module", r"hparams.yaml \(of Net\) .* at options.storage_options.token;"),
        ("module, late", r"hparams.yaml \(of Net\) .* at late\[1\];"),
        ("data module", r"hparams.yaml \(of Data\) .* at token;"),
    ],
)
def test_hyperparameters_with_a_secret_stop_the_run_before_they_are_written(
    token: str, tmp_path: Path, carrier: str, where: str
) -> None:
    """The message names the parameter, and no file holds the secret."""
    model, data = CARRIERS[carrier](token)
    with pytest.raises(SecretLeak, match=where) as refused:
        fit(tmp_path, model, data, LeaseCallback())
    assert token not in refused.value.diagnostics()
    assert holding(tmp_path, token) == set()
    assert list(tmp_path.rglob("hparams.yaml")) == []
    assert model.trainer.global_step == 0


@pytest.mark.parametrize(
    ("carrier", "files"),
    [
        ("module", {"hparams.yaml", "epoch=0-step=2.ckpt"}),
        ("module, late", {"epoch=0-step=2.ckpt"}),
        ("data module", {"hparams.yaml", "epoch=0-step=2.ckpt"}),
    ],
)
def test_without_the_callback_they_are_written(
    token: str, tmp_path: Path, carrier: str, files: set[str]
) -> None:
    """Which shows that the search of files finds what is there."""
    fit(tmp_path, *CARRIERS[carrier](token))
    assert holding(tmp_path, token) == files


def test_what_a_logger_was_given_before_stops_it_too(
    token: str, tmp_path: Path
) -> None:
    """Some write it only when the run begins."""
    logger = WritesLate(tmp_path)
    logger.hparams["token"] = token
    with pytest.raises(SecretLeak, match=r"\(of WritesLate\) .* at token;"):
        fit(tmp_path, Net(), Data(), LeaseCallback(), logger=logger)
    assert holding(tmp_path, token) == set()
    logger.hparams["token"] = token
    fit(tmp_path, Net(), Data(), logger=logger)
    assert holding(tmp_path, token) == {"late.txt"}


def test_a_checkpoint_with_a_secret_is_not_written(token: str, tmp_path: Path) -> None:
    """The key is named: here that of another callback's state."""
    with pytest.raises(SecretLeak, match=r"the checkpoint .* at callbacks\.Remem"):
        fit(tmp_path, Net(), Data(), Remembers(token), LeaseCallback())
    assert holding(tmp_path, token) == set()
    assert list(tmp_path.rglob("*.ckpt")) == []


def test_nor_is_what_the_module_adds_last(token: str, tmp_path: Path) -> None:
    """After all callbacks: the checkpoint IO sees what is really written."""
    with pytest.raises(SecretLeak, match=r"checkpoint .*step=2.ckpt .* at kept\.token"):
        fit(
            tmp_path,
            Net(kept={"token": token}),
            Data(),
            LeaseCallback(),
            plugins=[LeaseCheckpointIO()],
        )
    assert holding(tmp_path, token) == set()
    fit(tmp_path, Net(kept={"token": token}), Data())
    assert holding(tmp_path, token) == {"epoch=0-step=2.ckpt"}


def test_a_run_without_secrets_is_none_the_wiser(token: str, tmp_path: Path) -> None:
    """Hyper-parameters, checkpoint and optimizer state are written as ever."""
    trainer = fit(
        tmp_path,
        Net({"lr": 0.1, "weights": torch.ones(3)}),
        Data("none"),
        LeaseCallback(),
        plugins=[LeaseCheckpointIO()],
    )
    assert trainer.global_step == 2
    (checkpoint,) = tmp_path.rglob("*.ckpt")
    assert torch.load(checkpoint, weights_only=False)["optimizer_states"]
    (written,) = tmp_path.rglob("hparams.yaml")
    assert "none" in written.read_text(encoding="utf-8")
