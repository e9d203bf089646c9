"""A plain no: the end is told at once, by its true time, and may be taken back."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from mlsecrets import Lease, lease
from mlsecrets.errors import AccessRefused, LeaseExpired, LoginRefused
from tests.faults.bao import Bao, at_most, by_hand, nothing_is_open, told
from tests.faults.clocks import PatientClock
from tests.faults.faults import Status, bao_says, sts_says
from tests.faults.secrecy import Secrecy
from tests.faults.store import Store
from tests.faults.trying import move_on, must_not_be_entered

NOTHING = {
    "path": {
        "faults/creds/worker": {"capabilities": ["deny"]},
        "sys/leases/renew": {"capabilities": ["deny"]},
        "sys/leases/revoke": {"capabilities": ["update"]},
    }
}


@pytest.fixture
def mended(bao: Bao) -> Iterator[Bao]:
    """OpenBao, whose policy and logins are as they were after the test."""
    yield bao
    bao.allow()
    bao.log_in_for()
    bao.new_secret_id()


def told_the_end(creds: Lease, clock: PatientClock, error: str) -> None:
    """One event so far, whose deadline is that of the credentials."""
    (doomed,) = told(creds.scope, "doomed")
    terms = creds.snapshot().terms
    left = terms.remaining(clock.monotonic())
    assert doomed.detail["error"] == error
    assert doomed.detail["deadline"] == pytest.approx(clock.wall() + left, abs=0.01)
    assert doomed.detail["seconds_left"] == pytest.approx(left, abs=0.01)
    assert creds.doomed == pytest.approx(left, abs=0.01)


def test_a_policy_that_says_no_is_told_as_the_end(
    mended: Bao, secrecy: Secrecy
) -> None:
    """In OpenBao's own words; readers keep what they have, until its very end."""
    clock = PatientClock()
    mended.configure(mended.line(), clock, on_outage="wait")
    with lease("queue") as creds:
        live = by_hand("queue")
        by_hand("login:bao")
        first = creds.snapshot()
        mended.allow(NOTHING)
        # So early that an outage would doom nothing.
        clock.advance(1.0)
        live.tend()
        # May not be renewed: so it is replaced, as what never renews.
        assert [event.name for event in told("queue")] == ["issued", "capped"]
        assert creds.doomed is None
        live.tend()
        told_the_end(creds, clock, "AccessRefused")
        (failed,) = told("queue", "renewal_failed")
        assert failed.detail["transient"] is False
        # Asked gently, or accounts would be locked: half of what is left.
        pause = failed.detail["next_try_in"]
        assert pause == pytest.approx(failed.detail["seconds_left"] / 2, abs=0.01)
        assert live.next_renewal() >= clock.monotonic() + pause - 0.001
        move_on(clock, live)
        live.tend()
        assert len(told("queue", "doomed")) == 1
        assert creds.snapshot().terms.generation == 1
        # A no is no outage: nobody waits for it to pass.
        clock.advance(max(first.terms.dies_at - clock.monotonic(), 0.0))
        expected = clock.monotonic()
        with secrecy.raises(LeaseExpired, match="queue") as caught:
            creds.snapshot()
        assert clock.monotonic() == expected
        assert isinstance(caught.value.__cause__, AccessRefused)
        # And it may be taken back.
        mended.allow()
        move_on(clock, live)
        live.tend()
        assert told("queue")[-1].name == "replaced"
        assert creds.doomed is None
        assert creds.snapshot().terms.generation == 2
    assert nothing_is_open()


def test_a_policy_mended_in_time_interrupts_nobody(mended: Bao) -> None:
    """Doomed is a forecast, not a sentence."""
    clock = PatientClock()
    mended.configure(mended.line(), clock)
    with lease("queue") as creds:
        live = by_hand("queue")
        by_hand("login:bao")
        mended.allow(NOTHING)
        for _ in range(2):
            move_on(clock, live)
            live.tend()
        assert creds.doomed is not None
        mended.allow()
        move_on(clock, live)
        live.tend()
        assert creds.doomed is None
        assert creds.snapshot().terms.generation == 2


def test_a_policy_is_no_outage_at_the_start_either(
    mended: Bao, secrecy: Secrecy
) -> None:
    """The block is not entered, and the login made for it is ended."""
    mended.configure(mended.line(), PatientClock(), on_outage="wait")
    mended.allow(NOTHING)
    with (
        at_most(2.0),
        secrecy.raises(AccessRefused, match="403"),
        lease("queue"),
    ):
        must_not_be_entered()
    assert nothing_is_open()


def test_an_identity_that_is_refused_dooms_what_hangs_on_the_login(
    mended: Bao, secrecy: Secrecy
) -> None:
    """Its secret id is gone: after the login's end no call is possible."""
    clock = PatientClock()
    mended.log_in_for(ttl=6, max_ttl=6)
    accessor = mended.new_secret_id()
    mended.configure(mended.line(), clock)
    with lease("queue", "mlflow") as both:
        login = by_hand("login:bao")
        leases = [by_hand("queue"), by_hand("mlflow")]
        mended.do(
            "POST",
            "auth/approle/role/faults/secret-id-accessor/destroy",
            {"secret_id_accessor": accessor},
        )
        # No time passes between the two, so the second renewal gains nothing: as at
        # the max TTL, it is time for a new login, which is refused.
        move_on(clock, login)
        login.tend()
        login.tend()
        (doomed,) = told("login:bao", "doomed")
        assert doomed.detail["error"] == LoginRefused.__name__
        end = login.doomed_at
        assert end == login.snapshot().terms.dies_at
        now, wall = clock.monotonic(), clock.wall()
        for live, deadline in zip(
            leases,
            (
                # Dies with the login, if not before.
                min(both["queue"].snapshot().terms.deadline, end),
                # A signed JWT does not, but no other will come.
                max(both["mlflow"].snapshot().terms.deadline, end),
            ),
            strict=True,
        ):
            (doomed,) = told(live.scope.name, "doomed")
            assert doomed.detail["error"] == LoginRefused.__name__
            assert doomed.detail["deadline"] == pytest.approx(
                wall + deadline - now, abs=0.01
            )
            assert live.doomed_at == deadline
            assert live.snapshot().terms.generation == 1
        # Somebody gives it another one.
        mended.new_secret_id()
        move_on(clock, login)
        login.tend()
        assert told("login:bao")[-1].name == "replaced"
        assert [live.doomed_at for live in leases] == [None, None]


def test_a_refused_login_is_told_at_the_start(mended: Bao, secrecy: Secrecy) -> None:
    """By its own kind of error, and once: a second try would lock an account."""
    line = mended.line()
    accessor = mended.new_secret_id()
    mended.do(
        "POST",
        "auth/approle/role/faults/secret-id-accessor/destroy",
        {"secret_id_accessor": accessor},
    )
    mended.configure(line, PatientClock(), on_outage="wait")
    with secrecy.raises(LoginRefused), lease("queue"):
        must_not_be_entered()
    assert line.proxy.count("/v1/") == 1
    assert nothing_is_open()


@pytest.mark.parametrize(
    "code", ["AccessDenied", "MalformedPolicyDocument", "InvalidIdentityToken"]
)
def test_an_sts_that_says_no_is_told_as_the_end(
    store: Store, secrecy: Secrecy, code: str
) -> None:
    """In its own words; a gateway's 403 would be an outage."""
    clock, line = PatientClock(), store.sts[False]
    store.configure(clock, sts=line)
    with lease("train-data") as creds:
        live = by_hand("train-data")
        by_hand("login:bao")
        clock.advance(1.0)  # so early that an outage would doom nothing
        said = sts_says(code, "Not authorized to perform this")
        with line.proxy.under(Status(403, said)):
            live.tend()
        told_the_end(creds, clock, "AccessRefused")
        move_on(clock, live)
        live.tend()
        assert creds.doomed is None
        assert creds.snapshot().terms.generation == 2


def test_words_in_openbaos_form_are_what_decides(bao: Bao) -> None:
    """The same status is a refusal in its words, and an outage in a gateway's."""
    words = bao_says("1 error occurred:\n\t* permission denied\n\n")
    assert json.loads(words)["errors"]
    line = bao.line()
    for body, doomed in ((None, False), (words, True)):
        clock = PatientClock()
        bao.configure(line, clock)
        with lease("mlflow") as creds:
            live = by_hand("mlflow")
            by_hand("login:bao")
            clock.advance(1.0)  # so early that an outage would doom nothing
            with line.proxy.under(
                Status(403, body), lambda method, path: "oidc/token" in path
            ):
                live.tend()
            assert (creds.doomed is not None) is doomed
