"""What leases cost a training step: Lightning, plain torch, Hugging Face's Trainer.

    python benchmarks/frameworks.py [--rounds N] [--steps N]

About nine minutes; ``--rounds 4 --steps 50`` is for looking whether it runs.

Each round trains the same net on the same numbers three times: without leases; inside a
block whose leases are renewed in the background, five seconds being their life; and
with the callback that watches for their end after each step, too. Nothing is read from
the store: loading data is measured by `sharing.py`. What is compared is the time of a
whole ``fit``, over its steps, within each round.

Last, the watch alone: what one look costs on one rank, and on two ranks of gloo, which
have to agree.
"""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import torch
from _frameworks import hugging_face, lightning_fit, plain
from _frameworks.agreeing import COMMAND
from _pairs import once, per_call, report, rounds

from mlsecrets import configure, lease
from mlsecrets.devstack import DevStack
from mlsecrets.training import ExpiryWatch

SCOPES = "train-data", "checkpoints"
TTL = 5

#: Trains so many steps; with the callback that watches, if told so.
Fit = Callable[[int, bool, str], None]

FITS: dict[str, Fit] = {
    "plain torch": plain.fit,
    "Lightning": lightning_fit.fit,
    "Hugging Face Trainer": hugging_face.fit,
}


def compare(name: str, fit: Fit, steps: int, count: int) -> None:
    """Measure one framework, and print."""

    def seconds(*, leased: bool, watched: bool) -> float:
        with tempfile.TemporaryDirectory() as folder, ExitStack() as held:
            if leased:
                held.enter_context(lease(*SCOPES))
            return once(lambda: fit(steps, watched, folder)) / steps

    found = rounds(
        {
            "without leases": lambda: seconds(leased=False, watched=False),
            "inside a block": lambda: seconds(leased=True, watched=False),
            "and watched": lambda: seconds(leased=True, watched=True),
        },
        count,
    )
    print(f"{name}, a step:")
    report(found, against="without leases", unit="us", scale=1e6)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=48)
    parser.add_argument("--steps", type=int, default=130)
    options = parser.parse_args()
    torch.set_num_threads(1)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    os.environ["HF_HUB_OFFLINE"] = "1"
    with DevStack(ttl=TTL) as stack:
        configure(stack.manifest_path, sweep="never")
        for name, fit in FITS.items():
            compare(name, fit, options.steps, options.rounds)
        with lease(*SCOPES), ExpiryWatch() as watch:
            alone = min(per_call(watch.due, 2000) for _ in range(20))
        print(f"one look at two leases: {alone * 1e6:.2f} us")
        environment = {
            **os.environ,
            "MLSECRETS_CONFIG": str(stack.manifest_path),
            "PYTHONPATH": str(Path(__file__).parent),
            "OMP_NUM_THREADS": "1",
        }
        subprocess.run([sys.executable, *COMMAND], check=True, env=environment)


if __name__ == "__main__":
    main()
