"""What a journal says about leases."""

from __future__ import annotations

from typing import Any

from mlsecrets.cli._leases import summarise
from mlsecrets.events import NAMES


def event(name: str, at: float = 0.0, pid: int = 1, **detail: Any) -> dict[str, Any]:
    if name in {"issued", "renewed", "replaced"}:
        detail = {"generation": 1, "expires_at": at + 10, **detail}
    return {"event": name, "scope": "data", "at": at, "pid": pid, **detail}


def test_a_life_from_issue_to_end() -> None:
    """Every event of the journal has its place in the line."""
    events = [
        event("issued", 100),
        event("attached", 101, worker=7),
        event("joined", 102, worker=8),
        event("joined", 102, worker=9),
        event("refused", 103, worker=10),
        event("left", 104, worker=8),
        event("renewed", 105),
        event("capped", 110),
        event("throttled", 110, error="IssuerThrottled"),
        event("renewal_failed", 111, error="IssuerUnavailable"),
        event("doomed", 111, seconds_left=4.0),
        event("replaced", 112, generation=2),
        event("rejected", 113, generation=2),
        event("replaced", 114, generation=3),
        event("owned", 115),
    ]
    (lease,) = summarise(events)
    assert (lease.generations, lease.renewals, lease.workers) == (3, 1, 1)
    assert (lease.members, lease.refused) == (1, 1)
    assert (lease.last_renewal, lease.expires_at) == (114, 124)
    assert (lease.failures, lease.last_failure) == (2, "IssuerUnavailable")
    assert (lease.capped, lease.doomed) == (1, False)
    assert (lease.rejected, lease.ended) == (1, False)
    ends = [
        event("revoked", 120, generation=3),
        event("expired", 120, generation=2),
        event("ends_at_ttl", 120, generation=1),
        event("shredded", 120, generations=1),
    ]
    (lease,) = summarise(events + ends)
    assert dict(lease.fates) == {"revoked": 1, "expired": 1, "ends_at_ttl": 1}
    assert lease.state(0.0) == "ended"
    assert {e["event"] for e in events + ends} == set(NAMES)


def test_a_killed_process_leaves_a_lapsed_lease() -> None:
    """Nobody wrote that it ended: after its expiry it is not called open."""
    (lease,) = summarise([event("issued", 100)])
    assert lease.state(109.9) == "open"
    assert lease.state(110.0) == "lapsed"


def test_a_doomed_lease_is_called_so_until_it_is_saved() -> None:
    """Whoever looks at the table learns it in time."""
    events = [event("issued", 100), event("doomed", 105, seconds_left=5.0)]
    (lease,) = summarise(events)
    assert lease.state(106.0) == "doomed"
    assert lease.state(110.0) == "lapsed"
    (lease,) = summarise([*events, event("replaced", 107)])
    assert lease.state(108.0) == "open"


def test_a_lease_begins_anew_with_each_issue() -> None:
    """A decorated function leases at every call: the line is of the newest."""
    once = [event("issued", 100), event("revoked", 101), event("shredded", 101)]
    (lease,) = summarise([*once, event("issued", 200)])
    assert (lease.leases, lease.ended, dict(lease.fates)) == (2, False, {})


def memory(**shredded: Any) -> str | None:
    (lease,) = summarise([event("issued"), event("shredded", 9, **shredded)])
    return lease.memory


def test_what_memory_held_is_said_in_few_words() -> None:
    """Never "clean" of what was shown to somebody and not looked for."""
    late, shown = ["token injected late (mlflow)"], ["session_token revealed (s3fs)"]
    nothing = {"exposure": late, "sweep": None, "not_swept": "nothing was revealed"}
    assert memory(**nothing) == "clean"
    assert memory(exposure=shown, sweep={"left": 0}, not_swept=None) == "clean"
    assert memory(exposure=shown, sweep={"left": 2}, not_swept=None) == "2 copies left"
    refused = {"sweep": {"left": 0}, "not_swept": "ptrace is refused"}
    assert memory(exposure=shown, **refused) == "not swept: ptrace is refused"
    old = memory(exposure=shown, sweep={"left": 0}, not_swept=None, forgotten=3)
    assert old == "3 old values not looked for"
    assert summarise([event("issued")])[0].memory is None


def test_processes_and_scopes_are_kept_apart() -> None:
    """One journal serves several ranks."""
    other = {**event("issued"), "scope": "mlflow"}
    leases = summarise([event("issued", pid=1), event("issued", pid=2), other])
    assert [(lease.scope, lease.pid) for lease in leases] == [
        ("data", 1),
        ("data", 2),
        ("mlflow", 1),
    ]


def test_a_lease_that_never_came_to_be_has_no_line() -> None:
    """A first issue that is refused still writes that nothing was left behind."""
    assert summarise([event("shredded", generations=0)]) == []
