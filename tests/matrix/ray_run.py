"""Ray Train with two workers: python -m tests.matrix.ray_run is the driver."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import ray
import torch
from ray.train import Checkpoint, RunConfig, ScalingConfig, collective, report
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

import mlsecrets_ray
from mlsecrets_ray.train import storage_filesystem
from tests.matrix import script

ROOT = Path(__file__).parents[2]
RANKS = 2


def work(config: dict[str, Any]) -> None:
    """One worker, with a block of its own, at its node's owner."""
    import mlflow

    from mlsecrets_mlflow import tracking

    told = script.Settings.told()
    rank = ray.train.get_context().get_world_rank()
    with script.leased(), ExitStack() as exits:
        if rank == 0:
            exits.enter_context(tracking(told.mlflow))
            script.use("mlflow")
            mlflow.set_experiment(told.run)
            mlflow.start_run(run_name=told.run)
        net = torch.nn.Linear(script.WIDTH, 1)
        descent = torch.optim.SGD(net.parameters(), lr=0.01)
        steps, step, over = script.Steps(rank, RANKS), 0, False
        while not over:
            loss = net(script.read(step)).square().mean()
            descent.zero_grad()
            loss.backward()
            descent.step()
            step += 1
            if rank == 0:
                mlflow.log_metric("loss", loss.item(), step=step, synchronous=False)
            asked = steps.over(step)
            if step % script.SAVE_EVERY == 0:
                # The first one says when: each has to report equally often.
                over = bool(collective.broadcast_from_rank_zero(asked))
                _report(rank, step, net)


def _report(rank: int, step: int, net: torch.nn.Module) -> None:
    script.use("checkpoints")
    with tempfile.TemporaryDirectory() as folder:
        torch.save(net.state_dict(), Path(folder, "last.ckpt"))
        kept = Checkpoint.from_directory(folder) if rank == 0 else None
        report({"step": step}, checkpoint=kept)


def main() -> None:
    """Train until told to stop."""
    told = script.Settings.told()
    variables = {
        **told.environment(),
        "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "integrations"))),
        "OMP_NUM_THREADS": "1",
    }
    ray.init(
        address=told.cluster,
        _node_ip_address=told.cluster.rpartition(":")[0],
        runtime_env=mlsecrets_ray.runtime_env(env_vars=variables),
        log_to_driver=False,
        logging_level="warning",
    )
    with mlsecrets_ray.leased(
        *script.SCOPES,
        manifest=told.manifest,
        journal=str(told.journal),
        keeper=told.keeper,
    ) as creds:
        DataParallelTrainer(
            work,
            scaling_config=ScalingConfig(num_workers=RANKS),
            run_config=RunConfig(
                name="train",
                storage_path=f"checkpoints/{told.run}",
                storage_filesystem=storage_filesystem(creds["checkpoints"]),
            ),
        ).fit()


if __name__ == "__main__":
    main()
