"""What it costs two ranks to agree that all is well, once a step.

Started by `frameworks.py` under torchrun; prints one line.
"""

from __future__ import annotations

import statistics
import time

import torch
import torch.distributed as dist

from mlsecrets import configure, lease
from mlsecrets.training import ExpiryWatch
from mlsecrets_torch import TorchRun

COMMAND = (
    "-m",
    "torch.distributed.run",
    "--standalone",
    "--nproc-per-node=2",
    "-m",
    "_frameworks.agreeing",
)
LOOKS = 2000


def main() -> None:
    """Look, and let the first rank print."""
    configure(sweep="never")
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    taken = []
    with lease("train-data", "checkpoints"), ExpiryWatch() as watch:
        run = TorchRun(save=lambda: None)
        for _ in range(LOOKS):
            begun = time.perf_counter()
            watch.step(run)
            taken.append(time.perf_counter() - begun)
        dist.barrier()
    if dist.get_rank() == 0:
        cuts = statistics.quantiles(taken, n=100)
        print(
            f"one look of two ranks, gloo: median {cuts[49] * 1e6:.0f} us, "
            f"99th percentile {cuts[98] * 1e6:.0f} us"
        )
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
