"""SIGTERM to two ranks that validate: both end, and the program's handler is called."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

#: Validates for minutes; notes what happens to each rank in a file of its own.
TRAINING = """
import os, signal, sys, time
from pathlib import Path

noted = Path(sys.argv[1], os.environ["RANK"]).open("w", buffering=1)
signal.signal(signal.SIGTERM, lambda *_: print("asked", file=noted))

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch.utils.data import DataLoader
from mlsecrets_lightning import LeaseCallback

class Net(LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)

    def training_step(self, batch, index):
        return self.layer(batch).mean()

    def validation_step(self, batch, index):
        if index == 0:
            print("validates", file=noted)
        time.sleep(0.02)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

trainer = Trainer(
    accelerator="cpu", strategy="ddp", devices=2, max_epochs=1,
    num_sanity_val_steps=0, limit_train_batches=2,
    callbacks=[LeaseCallback()], default_root_dir=sys.argv[1], logger=False,
    enable_checkpointing=False, enable_model_summary=False, enable_progress_bar=False,
)
rows = torch.ones(100_000, 4)
try:
    trainer.fit(Net(), DataLoader(rows, 4), DataLoader(rows, 4))
except SIGTERMException:
    print("ended", file=noted)
"""
RANKS = 2


def test_ranks_that_validate_end_at_once(tmp_path: Path) -> None:
    """Not after the epoch; a handler of the program's own is called in each, once."""
    script = tmp_path / "train.py"
    script.write_text(TRAINING)

    def noted() -> list[list[str]]:
        files = [tmp_path / str(rank) for rank in range(RANKS)]
        return [file.read_text().split() for file in files if file.exists()]

    root = Path(__file__).parents[2]
    torchrun = ("torch.distributed.run", "--standalone", f"--nproc-per-node={RANKS}")
    path = os.pathsep.join(map(str, (root, root / "integrations")))
    with subprocess.Popen(
        [sys.executable, "-m", *torchrun, script, tmp_path],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as run:
        until = time.monotonic() + 60
        while noted() != [["validates"]] * RANKS and time.monotonic() < until:
            threading.Event().wait(0.05)
        # torchrun kills what is left 30 seconds later; validation takes minutes.
        run.send_signal(signal.SIGTERM)
    assert noted() == [["validates", "asked", "ended"]] * RANKS
