"""What a worker may read, and what a rank may."""

from __future__ import annotations

import re
import shlex

import pytest

from tests.ranks.job import BOTH, RANK, Job, Rank, RankError


def edited(job: Job, line: str) -> str:
    """A manifest with one more line for the checkpoints."""
    text = job.stack.manifest_path.read_text()
    text = re.sub(r'(_file = )"([^"/]+)"', rf'\1"{job.stack.folder}/\2"', text)
    path = job.folder / "mlsecrets.toml"
    path.write_text(
        text.replace("[scopes.checkpoints]", f"[scopes.checkpoints]\n{line}")
    )
    return str(path)


def worker_of(job: Job, rank: Rank) -> Rank:
    """A child of it, without a block."""
    rank.ask("fork_rank")
    (worker,) = job.called(1)
    assert worker.parent == rank.pid
    return worker


def test_a_worker_reads_what_only_reads_and_no_more_without_a_block(job: Job) -> None:
    """Of either rank's; the error names both ways out. A block is one."""
    ranks = job.ranks(2)
    for rank in ranks:
        rank.ask("lease", *BOTH)
    for rank in ranks:
        worker = worker_of(job, rank)
        job.shared(worker, rank)
        with pytest.raises(RankError, match="not shared with workers") as refused:
            worker.ask("lease_id", "checkpoints")
        assert 'with lease("checkpoints"): …' in str(refused.value)
        assert "workers = true for checkpoints" in str(refused.value)
        worker.ask("lease", "checkpoints")
        job.shared(worker, rank, scope="checkpoints")
        worker.ask("leave")
        with pytest.raises(RankError, match="not shared with workers"):
            worker.ask("lease_id", "checkpoints")
        with pytest.raises(RankError, match="does not lease mlflow"):
            worker.ask("lease", "mlflow")
        of_it = [e["event"] for e in job.events() if e.get("worker") == worker.pid]
        assert of_it == ["attached", "refused", "joined", "left"] + ["refused"] * 2
        worker.end()
    assert {event["pid"] for event in job.events("refused")} < {r.pid for r in ranks}


def test_a_scope_that_is_not_for_workers_is_for_ranks_alone(job: Job) -> None:
    """`workers = false`: not even with a block of their own."""
    manifest = edited(job, "workers = false")
    ranks = job.ranks(2, MLSECRETS_JOB="job", MLSECRETS_CONFIG=manifest)
    for rank in ranks:
        rank.ask("lease", *BOTH)
        rank.ask("lease_id", "checkpoints")
    for rank in ranks:
        worker = worker_of(job, rank)
        with pytest.raises(RankError, match="not shared with workers") as refused:
            worker.ask("lease", "checkpoints")
        assert "block of its own" not in str(refused.value)


def test_a_scope_that_is_for_workers_needs_no_block(job: Job) -> None:
    """`workers = true`."""
    manifest = edited(job, "workers = true")
    (rank,) = job.ranks(1, MLSECRETS_JOB="job", MLSECRETS_CONFIG=manifest)
    rank.ask("lease", *BOTH)
    worker = worker_of(job, rank)
    job.shared(worker, rank, scope="checkpoints")


def test_a_job_of_descendants_has_no_other_process_in_it(job: Job) -> None:
    """What the launcher started may connect, and nobody else who knows its name."""
    rank = shlex.join(RANK)
    names = {
        "TORCHELASTIC_RUN_ID": "7",
        "GROUP_RANK": "0",
        "RANKS_PEERS": "descendants",
    }
    job.start("sh", "-c", f"{rank} & {rank} & wait", **names)
    ranks = job.called(2)
    for one in ranks:
        one.ask("lease", "train-data")
    worker = worker_of(job, ranks[1])
    job.shared(worker, *ranks)
    job.start(**names)
    (stranger,) = job.called(1)
    assert stranger.parent != ranks[0].parent
    with pytest.raises(RankError, match="refuses this process"):
        stranger.ask("lease_id", "train-data")
    refused = job.events("refused")
    assert {event["worker"] for event in refused} == {stranger.pid}
