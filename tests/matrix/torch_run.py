"""A loop of one's own in plain torch: python -m tests.matrix.torch_run, or torchrun."""

from __future__ import annotations

import os
from contextlib import ExitStack

import mlflow
import torch
from torch.nn.parallel import DistributedDataParallel

from mlsecrets_mlflow import tracking
from tests.matrix import script


def main() -> None:
    """Train until told to stop."""
    torch.set_num_threads(1)
    told = script.Settings.told()
    with script.leased(), tracking(told.mlflow), ExitStack() as exits:
        net: torch.nn.Module = torch.nn.Linear(script.WIDTH, 1)
        rank, ranks = int(os.environ.get("RANK", "0")), 1
        if told.launcher == "torchrun":
            torch.distributed.init_process_group("gloo")
            exits.callback(torch.distributed.destroy_process_group)
            ranks = torch.distributed.get_world_size()
            net = DistributedDataParallel(net)
        descent = torch.optim.SGD(net.parameters(), lr=0.01)
        if rank == 0:
            script.use("mlflow")
            mlflow.set_experiment(told.run)
            mlflow.start_run(run_name=told.run)
        steps, requeue = script.Steps(rank, ranks), script.Requeue()
        step, over = 0, False
        while not over:
            loss = net(script.read(step)).square().mean()
            descent.zero_grad()
            loss.backward()
            descent.step()
            step += 1
            if rank == 0:
                mlflow.log_metric("loss", loss.item(), step=step, synchronous=False)
            asked = requeue.asked()
            over = steps.over(step) or asked
            if rank == 0 and (over or step % script.SAVE_EVERY == 0):
                script.save(net.state_dict())
            if rank == 0 and asked:
                requeue.requeue()


if __name__ == "__main__":
    main()
