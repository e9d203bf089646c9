"""Ranks of one job hold one lease, whatever becomes of any of them."""

from __future__ import annotations

import json
import shlex
import threading
import time
from typing import Any

import boto3
from botocore.exceptions import ClientError

from mlsecrets.devstack import DevStack
from tests.ranks.job import BOTH, RANK, TTL, Job, wait_for


def thief(stack: DevStack, secrets: list[str]) -> Any:
    """A client with what a rank was told."""
    key, secret, token = secrets
    return boto3.client(
        "s3",
        endpoint_url=stack.store.address,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
    )


def is_refused(client: Any, key: str) -> bool:
    """Whether the store refuses it."""
    try:
        client.get_object(Bucket="datasets", Key=key)["Body"].read()
    except ClientError:
        return True
    return False


def test_processes_that_a_script_starts_meet_by_the_name_of_their_job(
    job: Job, key: str
) -> None:
    """They share credentials, for as long as either needs them."""
    rank = shlex.join(RANK)
    before = job.sts_calls()
    job.start("sh", "-c", f"{rank} & {rank} & wait", MLSECRETS_JOB="from a script")
    ranks = job.called(2)
    for one in ranks:
        one.ask("lease", *BOTH)
    job.shared(*ranks)
    for one in ranks:
        one.ask("leave")
    calls = job.issued(*BOTH)
    assert job.sts_calls() - before == len(calls)
    assert len({event["pid"] for event in calls}) == 1
    assert len([event for event in calls if event["generation"] == 1]) == 2
    joined = job.events("joined", "left")
    assert {event["scope"] for event in joined} == set(BOTH)
    assert {event["worker"] for event in joined} < {one.pid for one in ranks}
    assert len(job.events("revoked")) == 3  # both, and the login


def test_ranks_that_start_at_the_same_instant_elect_one_owner(job: Job) -> None:
    """Ten times in a row, four at once; nothing is left but the lock."""
    ranks, times = job.ranks(4), 10
    before = job.sts_calls()
    for turn in range(1, times + 1):
        instant = time.time() + 0.05
        for rank in ranks:
            rank.tell("lease", "train-data", at=instant)
        for rank in ranks:
            rank.answer()
        job.shared(*ranks)
        for rank in ranks:
            rank.tell("leave")
        for rank in ranks:
            rank.answer()
        first = [event for event in job.issued() if event["generation"] == 1]
        assert len(first) == turn
    assert job.sts_calls() - before == len(job.issued())
    assert len(job.events("joined")) == len(job.events("left")) == 3 * times
    assert job.events("renewal_failed", "refused") == []
    for rank in ranks:
        rank.end()
    (left,) = job.meeting_places().values()
    assert left == {"owner.lock"}


def test_an_owner_that_leaves_first_serves_the_others_until_the_last(
    job: Job, key: str
) -> None:
    """Its own block has ended, its process goes on; the last to leave ends it all."""
    ranks = job.ranks(2)
    for rank in ranks:
        rank.ask("lease", "train-data")
    owner, other = job.owner_of(ranks)
    owner.ask("leave")
    client = thief(job.stack, other.ask("reveal", "train-data"))
    assert not is_refused(client, key)
    other.ask("leave")
    assert is_refused(client, key)
    client.close()
    assert {event["pid"] for event in job.issued()} == {owner.pid}
    # And anew, with the other one first.
    other.ask("lease", "train-data")
    owner.ask("lease", "train-data")
    assert {event["pid"] for event in job.issued()} == {owner.pid, other.pid}
    owner.ask("leave")
    other.ask("leave")


def test_an_owner_that_exits_hands_over_before_it_revokes(job: Job, key: str) -> None:
    """The other rank notices nothing; what it had before is refused afterwards."""
    ranks = job.ranks(2)
    for rank in ranks:
        rank.ask("lease", *BOTH)
    owner, other = job.owner_of(ranks)
    client = thief(job.stack, other.ask("reveal", "train-data"))
    other.ask("read", key, *BOTH)
    wait_for(lambda: other.ask("reads") > 10)
    owner.end()
    assert is_refused(client, key)
    client.close()
    seen = other.ask("reads")
    wait_for(lambda: other.ask("reads") > seen + 10)
    assert other.ask("read_no_more")["failures"] == []
    assert {event["pid"] for event in job.events("owned")} == {other.pid}
    assert {event["scope"] for event in job.events("owned")} == set(BOTH)
    other.ask("leave")


def test_an_owner_that_hands_over_need_not_exit(job: Job, key: str) -> None:
    """Once its own block has ended, and not before; it is a member like any later."""
    ranks = job.ranks(2)
    for rank in ranks:
        rank.ask("lease", "train-data")
    owner, other = job.owner_of(ranks)
    client = thief(job.stack, other.ask("reveal", "train-data"))
    other.ask("read", key)
    wait_for(lambda: other.ask("reads") > 10)
    assert owner.ask("hand_over") == other.ask("hand_over") == []
    assert not is_refused(client, key)
    owner.ask("leave")
    assert not is_refused(client, key)
    assert owner.ask("hand_over") == []
    assert is_refused(client, key)
    client.close()
    owner.ask("lease", "train-data")
    assert owner.ask("lease_id", "train-data") == other.ask("lease_id", "train-data")
    seen = other.ask("reads")
    wait_for(lambda: other.ask("reads") > seen + 10)
    assert other.ask("read_no_more")["failures"] == []
    told = [event["lease_id"] for event in job.issued()]
    assert len(told) == len(set(told))  # once each, by whoever owns them then
    owner.ask("leave")
    other.ask("leave")


def test_if_the_owner_is_killed_another_takes_its_place(
    job: Job, key: str, record_property: Any
) -> None:
    """No read of any process fails: not of ranks, not of the workers of either."""
    ranks = job.ranks(3)
    for rank in ranks:
        rank.ask("lease", *BOTH)
    owner, _ = job.owner_of(ranks)
    others = [rank for rank in ranks if rank is not owner]
    workers = {
        rank.ask("fork_worker", str(job.folder), key, *BOTH)
        for rank in (owner, others[0])
    }
    for rank in others:
        rank.ask("read", key, *BOTH)
    wait_for(lambda: {e["worker"] for e in job.events("attached")} >= workers)
    owner.kill()
    record_property("seconds", wait_for(lambda: len(job.events("owned")) == 2))
    # Past the end of what the dead one had been given.
    threading.Event().wait(TTL + 1.0)
    (job.folder / "stop").touch()
    for rank in others:
        assert rank.ask("read_no_more")["failures"] == []
    wait_for(lambda: len(list(job.folder.glob("*.json"))) == len(workers))
    told = [json.loads(path.read_text()) for path in job.folder.glob("*.json")]
    assert {figures["pid"] for figures in told} == workers
    for figures in told:
        assert figures["failures"] == []
        assert figures["reads"] > 20
    (heir,) = {event["pid"] for event in job.events("owned")}
    assert heir in {rank.pid for rank in others}
    attached = {e["worker"] for e in job.events("attached") if e["pid"] == heir}
    assert workers <= attached
    for rank in others:
        rank.ask("leave")
        rank.end()
    (left,) = job.meeting_places().values()
    assert left == {"owner.lock"}


def test_ranks_meet_by_what_their_launcher_says(job: Job) -> None:
    """Tasks of one SLURM step do, those of another do not; nor do other jobs'."""
    step = {"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "SLURM_NODEID": "0"}
    elastic = {"TORCHELASTIC_RUN_ID": "none", "MASTER_ADDR": "here", "GROUP_RANK": "0"}
    groups = [
        [{**step, "SLURM_PROCID": str(task)} for task in range(2)],
        [{**step, "SLURM_STEP_ID": "1", "SLURM_PROCID": "0"}],
        [{**elastic, "MASTER_PORT": "29500", "RANK": str(n)} for n in range(2)],
        [{**elastic, "MASTER_PORT": "29501", "RANK": "0"}],
        [{**elastic, "TORCHELASTIC_RUN_ID": "mine"}],
    ]
    for group in groups:
        for environment in group:
            job.start(**environment)
        ranks = job.called(len(group))
        for rank in ranks:
            rank.ask("lease", "train-data")
        job.shared(*ranks)
    assert len({event["pid"] for event in job.issued()}) == len(groups)
    assert len(job.meeting_places()) == len(groups)


def test_a_rank_of_a_job_without_an_owner_can_lease_where_one_was_killed(
    job: Job,
) -> None:
    """The socket that is left behind stands in nobody's way."""
    (first,) = job.ranks(1)
    first.ask("lease", "train-data")
    lease_id = first.ask("lease_id", "train-data")
    first.kill()
    job.wait()
    (left,) = job.meeting_places().values()
    assert "socket" in left
    (second,) = job.ranks(1)
    second.ask("lease", "train-data")
    assert second.ask("lease_id", "train-data") != lease_id
    second.ask("leave")
    second.end()
    (left,) = job.meeting_places().values()
    assert left == {"owner.lock"}
