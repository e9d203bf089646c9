"""Which job this process belongs to, by what its launcher put into the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping

#: Names a job where no launcher does, or instead of it. Any text.
ENVIRONMENT = "MLSECRETS_JOB"
#: torchrun's run id if it was given none and makes none up. For one node without
#: ``--rdzv-backend``, ``--rdzv-endpoint`` and ``--master-port`` it always makes one up,
#: a UUID, even if it was given one (torch 2.13, torch/distributed/run.py: ``run``).
_NO_RUN_ID = "none"
#: The highest number of a step that srun makes (slurm.h: SLURM_MAX_NORMAL_STEP_ID);
#: above are batch scripts and interactive shells, where jobs stand side by side.
_LAST_STEP = 0xFFFFFFF0


def job_name(environ: Mapping[str, str]) -> str | None:
    """What all processes of a job on one node have in common; None if nothing is.

    In this order:

    1. ``MLSECRETS_JOB``, unless it is empty.
    2. torchrun's run id and node.
    3. SLURM's job, step and node, in a process that srun started.

    The name begins with where it comes from, so two kinds never meet. Two jobs of one
    user with the same run id on one node do: ``--rdzv-id`` is theirs to choose.
    """
    if named := environ.get(ENVIRONMENT):
        return f"named:{named}"
    return _torchrun(environ) or _slurm(environ)


def _torchrun(environ: Mapping[str, str]) -> str | None:
    """By what torchrun's agent gives to each worker (torch 2.13).

    torch/distributed/elastic/agent/server/local_elastic_agent.py, ``_start_workers``:
    TORCHELASTIC_RUN_ID, GROUP_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT. The
    port changes at each restart of the workers, the run id does not.
    """
    run = environ.get("TORCHELASTIC_RUN_ID")
    if not run:
        return None
    # The rank of the agent, one on each node: several on one machine play several.
    node = environ.get("GROUP_RANK", "")
    if run != _NO_RUN_ID:
        return f"torchrun:{node}:{run}"
    address, port = environ.get("MASTER_ADDR"), environ.get("MASTER_PORT")
    return f"torchrun-at:{node}:{port}:{address}" if address and port else None


def _slurm(environ: Mapping[str, str]) -> str | None:
    """By what srun gives to each task (srun(1), OUTPUT ENVIRONMENT VARIABLES).

    SLURM_JOB_ID, SLURM_STEP_ID, SLURM_PROCID, SLURM_NODEID. A batch script's own
    processes have a job, and no step of srun's.
    """
    job, step = environ.get("SLURM_JOB_ID"), environ.get("SLURM_STEP_ID", "")
    if not job or "SLURM_PROCID" not in environ:
        return None
    if not step.isdecimal() or int(step) > _LAST_STEP:
        return None
    return f"slurm:{job}.{step}:{environ.get('SLURM_NODEID', '')}"


def job_roots(environ: Mapping[str, str]) -> tuple[int, ...]:
    """What started this job's processes on this node: torchrun's agent, srun's daemon.

    Its descendants belong to the job. Empty if there is none, or it has ended; nor for
    a job that is named by hand, whose processes may have been started by a terminal.
    """
    parent = os.getppid()
    launched = _torchrun(environ) or _slurm(environ)
    return () if launched is None or parent <= 1 else (parent,)
