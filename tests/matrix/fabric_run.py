"""A Fabric program: python -m tests.matrix.fabric_run, or by torchrun."""

from __future__ import annotations

import logging

import mlflow
import torch
from lightning.fabric import Fabric

from mlsecrets_mlflow import tracking
from tests.matrix import script


def main() -> None:
    """Train until told to stop."""
    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    told = script.Settings.told()
    several = told.launcher != "process"
    with script.leased(), tracking(told.mlflow):
        fabric = Fabric(
            accelerator="cpu",
            devices=2 if several else 1,
            strategy="ddp" if several else "auto",
        )
        fabric.launch()
        first = torch.nn.Linear(script.WIDTH, 1)
        net, descent = fabric.setup(first, torch.optim.SGD(first.parameters(), lr=0.01))
        if fabric.is_global_zero:
            script.use("mlflow")
            mlflow.set_experiment(told.run)
            mlflow.start_run(run_name=told.run)
        steps = script.Steps(fabric.global_rank, fabric.world_size)
        requeue = script.Requeue()
        step, over = 0, False
        while not over:
            loss = net(script.read(step)).square().mean()
            descent.zero_grad()
            fabric.backward(loss)
            descent.step()
            step += 1
            if fabric.is_global_zero:
                mlflow.log_metric("loss", loss.item(), step=step, synchronous=False)
            asked = requeue.asked()
            over = steps.over(step) or asked
            if over or step % script.SAVE_EVERY == 0:
                script.use("checkpoints")
                fabric.save(told.checkpoint, {"net": net, "step": step})
            if fabric.is_global_zero and asked:
                requeue.requeue()


if __name__ == "__main__":
    main()
