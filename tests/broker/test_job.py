"""Processes of one job agree on its name, and no two jobs do."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from mlsecrets._broker._job import job_name

TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "7",
    "GROUP_RANK": "0",
    "LOCAL_WORLD_SIZE": "2",
    "MASTER_ADDR": "node1",
    "MASTER_PORT": "29500",
}
WITHOUT_ID = {**TORCHRUN, "TORCHELASTIC_RUN_ID": "none"}
SLURM = {
    "SLURM_JOB_ID": "7",
    "SLURM_STEP_ID": "0",
    "SLURM_PROCID": "3",
    "SLURM_NODEID": "1",
}


def test_a_process_alone_has_none() -> None:
    """Nor does an empty variable name one."""
    assert job_name({}) is None
    assert job_name({"MLSECRETS_JOB": "", "TORCHELASTIC_RUN_ID": ""}) is None


def test_a_job_may_be_named_and_that_comes_first() -> None:
    """Then the launcher that is closest to the process."""
    everything = {**SLURM, **TORCHRUN, "MLSECRETS_JOB": "mine"}
    assert job_name(everything) == job_name({"MLSECRETS_JOB": "mine"})
    assert job_name({**SLURM, **TORCHRUN}) == job_name(TORCHRUN)


def test_kinds_do_not_meet() -> None:
    """Though all of them are called 7, or by each other's names."""
    names = [
        job_name(environ)
        for environ in (TORCHRUN, WITHOUT_ID, SLURM, {"MLSECRETS_JOB": "7"})
    ]
    assert len(set(names)) == 4
    assert None not in names
    for name in names:
        assert job_name({"MLSECRETS_JOB": str(name)}) not in names


@pytest.mark.parametrize("environ", [TORCHRUN, WITHOUT_ID, SLURM])
def test_ranks_of_one_node_agree(environ: dict[str, str]) -> None:
    """Whatever their own number is."""
    ranks = [{"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(2)]
    assert len({job_name({**environ, **rank}) for rank in ranks}) == 1


@pytest.mark.parametrize(
    ("environ", "variable"),
    [
        (TORCHRUN, "TORCHELASTIC_RUN_ID"),
        (TORCHRUN, "GROUP_RANK"),
        (WITHOUT_ID, "MASTER_ADDR"),
        (WITHOUT_ID, "MASTER_PORT"),
        (WITHOUT_ID, "GROUP_RANK"),
        (SLURM, "SLURM_JOB_ID"),
        (SLURM, "SLURM_STEP_ID"),
        (SLURM, "SLURM_NODEID"),
    ],
)
def test_another_job_or_node_has_another_name(
    environ: dict[str, str], variable: str
) -> None:
    """Two agents on one machine play two nodes."""
    assert job_name(environ) != job_name({**environ, variable: "9"})


def test_a_restart_of_the_workers_keeps_the_name() -> None:
    """For which torchrun chooses another port."""
    restarted = {**TORCHRUN, "MASTER_PORT": "4711", "TORCHELASTIC_RESTART_COUNT": "1"}
    assert job_name(restarted) == job_name(TORCHRUN)


def test_an_id_cannot_reach_into_another_field() -> None:
    """The fields of others' choosing come last."""
    one = {**TORCHRUN, "GROUP_RANK": "1", "TORCHELASTIC_RUN_ID": "2:x"}
    two = {**TORCHRUN, "GROUP_RANK": "1:2", "TORCHELASTIC_RUN_ID": "x"}
    assert job_name(one) == "torchrun:1:2:x"
    assert job_name({**two, "GROUP_RANK": "1"}) != job_name(one)


@pytest.mark.parametrize("lacking", ["SLURM_PROCID", "SLURM_STEP_ID", "SLURM_JOB_ID"])
def test_a_batch_script_is_no_step(lacking: str) -> None:
    """What it starts in the background is not one job."""
    environ = {name: value for name, value in SLURM.items() if name != lacking}
    assert job_name(environ) is None


@pytest.mark.parametrize("step", ["4294967290", "4294967291", "batch", ""])
def test_a_special_step_is_none(step: str) -> None:
    """SLURM gives the highest numbers to scripts and to interactive shells."""
    assert job_name({**SLURM, "SLURM_STEP_ID": step}) is None


def test_torchrun_exports_what_is_read_here() -> None:
    """Asked of its own agent, as it would start two workers."""
    pytest.importorskip("torch.distributed.run")
    code = """
import json, sys
from unittest import mock
from torch.distributed import run
from torch.distributed.elastic.agent.server import local_elastic_agent as agent

def start(*args, envs, **kwargs):
    print(json.dumps([envs[0], envs[1]]), flush=True)
    sys.exit()

with mock.patch.object(agent, "start_processes", start):
    run.main(["--nproc-per-node", "2", "--master-port", "0", "-m", "this"])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert done.stdout, done.stderr
    first, second = json.loads(done.stdout)
    assert first["TORCHELASTIC_RUN_ID"] == "none"
    port = first["MASTER_PORT"]
    assert job_name(first) == f"torchrun-at:0:{port}:{first['MASTER_ADDR']}"
    assert job_name(second) == job_name(first)
