"""Ranks that torchrun starts, with PyTorch's own workers."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

from tests.ranks.job import BOTH, RANK, TTL, Job, Rank, wait_for

TORCHRUN = (sys.executable, "-m", "torch.distributed.run")
RANKS = ("--nproc-per-node=2", *RANK[1:])


def at_once(ranks: list[Rank], name: str, *arguments: Any) -> list[Any]:
    """Have all do the same at the same time; their answers."""
    for rank in ranks:
        rank.tell(name, *arguments)
    return [rank.answer() for rank in ranks]


def test_torchruns_ranks_and_their_data_loaders_cost_what_one_owner_costs(
    job: Job, key: str
) -> None:
    """Ranks over gloo, forked and spawned workers, over several lives."""
    before = job.sts_calls()
    launcher = job.start(
        *TORCHRUN,
        "--standalone",
        *RANKS,
        RANKS_PEERS="descendants",
        OMP_NUM_THREADS="1",
    )
    ranks = job.called(2)
    at_once(ranks, "lease", *BOTH)
    begun = time.monotonic()
    at_once(ranks, "read", key)
    assert at_once(ranks, "sum_up", 2) == [4, 4]
    told = at_once(ranks, "data_loader", key, "fork", 2)
    told += at_once(ranks[:1], "data_loader", key, "spawn", 1)
    assert {answer["read"] for answer in told} == {8}
    workers = {pid for answer in told for pid in answer["pids"]}
    assert len(workers) == 2 * 2 + 1
    # The servers' clocks cannot be moved.
    threading.Event().wait(max(0.0, begun + 2.5 * TTL - time.monotonic()))
    for answer in at_once(ranks, "read_no_more"):
        assert answer["failures"] == []
    at_once(ranks, "leave")
    calls = job.issued()
    assert {event["pid"] for event in calls} == {calls[0]["pid"]}
    # Each number once: nobody asked for another's.
    for scope in BOTH:
        numbers = [event["generation"] for event in job.issued(scope)]
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) > 3
    assert job.sts_calls() - before == len(calls)
    attached = {event["worker"] for event in job.events("attached")}
    assert attached - {rank.pid for rank in ranks} == workers
    assert job.events("refused") == []
    for rank in ranks:
        rank.end()
    assert launcher.wait(60) == 0
    (left,) = job.meeting_places().values()
    assert left == {"owner.lock"}


def test_a_rank_that_is_started_again_finds_its_job_again(job: Job, key: str) -> None:
    """By the run's name, though its port is another one; the old credentials ended."""
    before = job.sts_calls()
    launcher = job.start(
        *TORCHRUN,
        "--rdzv-backend=c10d",
        "--rdzv-endpoint=127.0.0.1:0",
        "--rdzv-id=7",
        "--max-restarts=1",
        "--monitor-interval=0.1",
        *RANKS,
    )
    ranks = job.called(2)
    for rank in ranks:
        rank.ask("lease", "train-data")
    owner, _ = job.owner_of(ranks)
    job.shared(*ranks)
    owner.tell("fail")
    ranks = job.called(2)
    assert [rank.restarts for rank in ranks] == ["1", "1"]
    for rank in ranks:
        rank.ask("lease", "train-data")
    job.shared(*ranks)
    # The one that raised ended what it had; the other was ended by torchrun.
    had = {e["lease_id"] for e in job.issued() if e["pid"] == owner.pid}
    assert had <= {e["lease_id"] for e in job.events("revoked", "expired")}
    assert job.issued()[-1]["pid"] in {rank.pid for rank in ranks}
    at_once(ranks, "read", key)
    wait_for(lambda: all(rank.ask("reads") > 10 for rank in ranks))
    for rank in ranks:
        assert rank.ask("read_no_more")["failures"] == []
        rank.ask("leave")
        rank.end()
    assert launcher.wait(60) == 0
    assert job.sts_calls() - before == len(job.issued())
    (left,) = job.meeting_places().values()
    assert left == {"owner.lock"}
