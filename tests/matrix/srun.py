"""Plays srun(1) on one node: python -m tests.matrix.srun TASKS MODULE.

Tells each task what srun would tell it (OUTPUT ENVIRONMENT VARIABLES), passes signals
on, and ends when all of them have ended.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from types import FrameType


def main(count: int, module: str) -> int:
    """Run the tasks; the worst of their exit statuses."""
    told = {**os.environ, "SLURM_NTASKS": str(count), "SLURM_NNODES": "1"}
    told["SLURM_NTASKS_PER_NODE"] = str(count)
    tasks = [
        subprocess.Popen(
            [sys.executable, "-m", module],
            env={**told, "SLURM_PROCID": str(number), "SLURM_LOCALID": str(number)},
        )
        for number in range(count)
    ]

    def pass_on(number: int, frame: FrameType | None) -> None:
        for task in tasks:
            task.send_signal(number)

    signal.signal(signal.SIGTERM, pass_on)
    signal.signal(signal.SIGUSR1, pass_on)
    # A terminal's reaches the tasks without help.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return max(abs(task.wait()) for task in tasks)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2]))
