"""A Lightning run that is told to stop: its credentials end with it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mlsecrets.devstack import DevStack

#: Trains until it is stopped; says when it has begun.
TRAINING = """
import sys
import lightning as L
from lightning.pytorch.callbacks import LambdaCallback
from mlsecrets import configure, lease
from tests.guests.lightning_parts import TinyNet

configure(sys.argv[1], journal=sys.argv[2], on_sigterm="exit")
begun = LambdaCallback(on_train_batch_end=lambda *_: print("begun", flush=True))
with lease("train-data", "checkpoints"):
    L.Trainer(
        accelerator="cpu",
        callbacks=[begun],
        default_root_dir=sys.argv[3],
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        logger=False,
        max_time={"seconds": 100},
    ).fit(TinyNet(workers=2))
"""


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_stopped_revokes(
    stack: DevStack, tmp_path: Path, number: signal.Signals
) -> None:
    """With data-loader workers under way; nothing is left to its TTL."""
    journal = tmp_path / "journal.jsonl"
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", TRAINING, stack.manifest_path, journal, tmp_path],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    ) as run:
        assert run.stdout is not None
        while "begun" not in run.stdout.readline():
            assert run.poll() is None
        run.send_signal(number)
        run.communicate(timeout=60)
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    revoked = {event["scope"] for event in events if event["event"] == "revoked"}
    assert revoked == {"train-data", "checkpoints", "login:bao"}
    assert not [event for event in events if event["event"] == "ends_at_ttl"]
