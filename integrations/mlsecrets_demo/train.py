"""The training process: an ordinary Lightning script, and a ``with lease(...)`` block.

``python -m mlsecrets_demo.train PLAN FD``, started by the demo, which it tells over a
pipe how it goes. `leased` is the part to look at: what a user would write is its first
half, the second proves things that no user has to.
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from lightning import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import MLFlowLogger

from mlsecrets import Bundle, ExitReport, configure, lease
from mlsecrets.clock import SYSTEM_CLOCK
from mlsecrets_lightning import LeaseCallback, LeaseCheckpointIO
from mlsecrets_mlflow import tracking

from . import data
from .channel import Channel
from .handover import hand_over
from .model import DigitsNet, trainer_options
from .outside import try_outside
from .plan import CHECKPOINTS, DATA, SCOPES, Plan
from .progress import Progress

#: Seconds between checkpoints: each replacement of the credentials gets to write one.
CHECKPOINT_EVERY = 5


def leased(plan: Plan, channel: Channel) -> None:
    """Train on leases, test, log the model; then show what the leases do not allow."""
    configure(plan.manifest, journal=plan.journal, sweep="always", on_sigterm="exit")
    _phase(channel, "lease")
    with lease(*SCOPES) as creds:
        with tracking(plan.tracking_uri):
            result = _train(plan, channel, creds)
        channel.ask("trained", **result)
        _phase(channel, "proof")
        channel.say("prefix", tried=try_outside(result["checkpoint"], creds))
        hand_over(channel)
        channel.say("leaving", at=SYSTEM_CLOCK.wall())
    _phase(channel, "ended")
    reports = {name: _public(report) for name, report in creds.reports.items()}
    channel.say("done", reports=reports)


def _train(plan: Plan, channel: Channel, creds: Bundle) -> dict[str, Any]:
    logger = MLFlowLogger(
        experiment_name="digits",
        run_name=plan.run_id,
        tracking_uri=plan.tracking_uri,
    )
    checkpoints = ModelCheckpoint(
        dirpath=f"leases3://{CHECKPOINTS}/{plan.run_id}",
        train_time_interval=timedelta(seconds=CHECKPOINT_EVERY),
    )
    reads = Path(plan.reads_file)
    progress = Progress(channel, creds, reads)
    trainer = Trainer(
        logger=logger,
        callbacks=[checkpoints, LeaseCallback(*SCOPES), progress],
        plugins=[LeaseCheckpointIO()],
        log_every_n_steps=50,
        **trainer_options(plan.seconds),
    )
    model = DigitsNet()
    _phase(channel, "train")
    urls = data.shard_urls("leases3", f"{DATA}/train", {})
    trainer.fit(model, data.loader(data.Shards(urls, reads, shuffle=True)))
    epochs, steps = trainer.current_epoch, trainer.global_step
    _phase(channel, "test")
    urls = data.shard_urls("leases3", f"{DATA}/test", {})
    tests = data.loader(data.Shards(urls, reads, shuffle=False))
    [scores] = trainer.test(model, tests, verbose=False)
    _phase(channel, "log model")
    _log_model(model, logger)
    return {
        "accuracy": scores["test_right"] / scores["test_images"],
        "test_right": int(scores["test_right"]),
        "test_images": int(scores["test_images"]),
        "epochs": epochs,
        "steps": steps,
        "loss": progress.loss,
        "mlflow_run": logger.run_id,
        "checkpoint": checkpoints.best_model_path,
    }


def _log_model(model: DigitsNet, logger: MLFlowLogger) -> None:
    import mlflow  # two seconds that training need not wait for

    with mlflow.start_run(run_id=logger.run_id):
        mlflow.pytorch.log_model(
            model.layers,
            name="model",
            # Makes MLflow keep the traced graph, which holds no pickle.
            input_example=torch.zeros(1, 1, 8, 8).numpy(),
            # Else MLflow installs the model in a fresh environment to find out.
            pip_requirements=[f"torch=={torch.__version__.partition('+')[0]}"],
        )


def _public(report: ExitReport) -> dict[str, Any]:
    return {
        "ended": [
            {
                "generation": end.terms.generation,
                "lease_id": end.terms.lease_id,
                "fate": str(end.outcome.fate),
                "reason": end.outcome.reason,
                "seconds_left": round(end.seconds_left, 3),
            }
            for end in report.ended
        ],
        "shred": report.shred.figures(),
    }


def _phase(channel: Channel, name: str) -> None:
    channel.say("phase", name=name, at=SYSTEM_CLOCK.wall())


def main() -> None:
    """``python -m mlsecrets_demo.train PLAN FD``."""
    plan = Plan.from_json(sys.argv[1])
    channel = Channel.inherited(int(sys.argv[2]))
    # One thread for the net, which leaves a core for the workers.
    torch.set_num_threads(1)
    torch.manual_seed(0)
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    if plan.static is None:
        leased(plan, channel)
    else:
        from . import static  # boto3, which the leased training can do without

        static.train(plan, plan.static, channel)
    channel.close()


if __name__ == "__main__":
    main()
