"""Runs what the plan says, each client in processes of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .plan import COLUMNS, EXPERIMENTS
from .trial import Found

#: (experiment, client) -> what each run found; absent if it came to no end.
Results = dict[tuple[str, str], list[Found]]

#: Seconds after which a process is taken to hang.
LONGEST = 180.0
#: Groups that sleep nearly all the time, and may so be run beside others.
ASLEEP = frozenset({"fork", "ceiling"})


def run(experiments: Collection[str], columns: Collection[str], rounds: int) -> Results:
    """Run experiments on clients.

    Args:
        experiments: by name.
        columns: of the table.
        rounds: how often each is run.

    Raises:
        RuntimeError: a process failed; what it wrote to stderr.
    """
    jobs: dict[tuple[str, str], list[str]] = {}
    for experiment in EXPERIMENTS:
        if experiment.name in experiments:
            for column in COLUMNS:
                for client in experiment.clients(column).values():
                    if column in columns:
                        names = jobs.setdefault((experiment.group, client), [])
                        names.append(experiment.name)
    results: Results = {}
    with ThreadPoolExecutor(len(jobs)) as asleep, ThreadPoolExecutor(2) as busy:
        pools = {True: asleep, False: busy}
        running = [
            (client, pools[group in ASLEEP].submit(_process, client, rounds, names))
            for (group, client), names in jobs.items()
        ]
        for client, process in running:
            for name, found in process.result().items():
                results[name, client] = found
    return results


def _process(client: str, rounds: int, names: list[str]) -> dict[str, list[Found]]:
    """What one process printed until it ended, or was ended."""
    command = [sys.executable, "-m", __package__ or "", client, str(rounds), *names]
    process = subprocess.Popen(
        command,
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(timeout=LONGEST)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        output, errors = process.communicate()
    else:
        if process.returncode != 0:
            raise RuntimeError(f"{client}, {' '.join(names)}:\n{errors}")
    found: dict[str, list[Found]] = {}
    for line in output.splitlines():
        found |= json.loads(line)
    return found
