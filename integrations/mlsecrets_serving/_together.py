"""Processes of one server, which share one owner of their leases."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

#: What says already where to find an owner: a parent with leases, or a job's name.
_SAID = ("MLSECRETS_SOCK", "MLSECRETS_JOB")


def meet_siblings() -> None:
    """Have this process's leases owned together with those of its siblings.

    For servers such as ``uvicorn --workers 4``: a supervisor that we have no line in
    starts processes which know nothing of each other. What they have in common is it.
    """
    supervisor = multiprocessing.parent_process()
    if supervisor is None or any(os.environ.get(name) for name in _SAID):
        return
    begun = _begun(supervisor.pid)
    os.environ["MLSECRETS_JOB"] = f"server-of:{supervisor.pid}:{begun}"


def _begun(pid: int | None) -> str:
    """When a process began: its number is given away again, and in other containers."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    # Field 22, starttime; the second one may hold spaces (proc_pid_stat(5)).
    return stat.rpartition(")")[2].split()[19]
