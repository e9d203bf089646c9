"""The judge of a soak: what it lets pass, and what it does not."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

from tests.soak.records import Failure, Outage, Refusal, Revocation
from tests.soak.samples import Sample, highest, slope, typical
from tests.soak.trouble import KINDS, LONG, SHORT, steps
from tests.soak.verdict import classed, growth, recoveries, unexplained

TTL = 5.0
LONG_OUTAGE = Outage(("bao",), "refuse", 100.0, 120.0)
#: Back at 123 s.
EVENTS = [
    {"scope": "mlflow", "event": "replaced", "at": 99.0},
    {"scope": "queue", "event": "renewed", "at": 121.0},
    {"scope": "mlflow", "event": "renewal_failed", "at": 121.0},
    {"scope": "mlflow", "event": "replaced", "at": 123.0},
]


def failed(started: float, ended: float) -> Failure:
    """A read that found an expired lease."""
    return Failure(
        reader="4-http-auth",
        scope="mlflow",
        error="LeaseExpired",
        message="",
        ours=True,
        valid=False,
        started=started,
        ended=ended,
    )


def excused(failure: Failure, outage: Outage = LONG_OUTAGE) -> bool:
    """Whether a failed read is let pass."""
    found = classed([failure], [outage], EVENTS, TTL)
    assert found.excused + found.others == [failure]
    return bool(found.excused)


def test_an_outage_longer_than_the_lease_may_cost_reads() -> None:
    """Those that overlap it, and those before the first success after it."""
    assert excused(failed(95, 111))
    assert excused(failed(112, 112))
    assert excused(failed(121, 122))
    assert not excused(failed(123.5, 123.5))
    assert not excused(failed(90, 99))


def test_a_short_outage_may_not() -> None:
    """The lease was there before, and readers wait for what comes after."""
    short = replace(LONG_OUTAGE, end=104.0)
    assert not excused(failed(102, 112), short)


def test_nor_one_of_another_issuer_or_one_in_which_it_serves() -> None:
    """A slow issuer gives leases, and this scope needs no store."""
    assert not excused(failed(112, 112), replace(LONG_OUTAGE, issuers=("store",)))
    assert not excused(failed(112, 112), replace(LONG_OUTAGE, fault="latency"))
    assert excused(failed(112, 112), replace(LONG_OUTAGE, issuers=("store", "bao")))


def test_nothing_excuses_an_error_while_valid_or_one_that_is_not_ours() -> None:
    """Wrong content, a dead credential, an exception of somebody else."""
    assert not excused(replace(failed(112, 112), valid=True))
    assert not excused(replace(failed(112, 112), ours=False))


def test_a_recovery_is_counted_from_the_end_of_the_outage() -> None:
    """For each lease that the outage outlasted; None if it never came back."""
    found = {scope: took for scope, _, took in recoveries([LONG_OUTAGE], EVENTS, TTL)}
    assert found == {"train-data": None, "mlflow": 3.0, "queue": 1.0}
    assert recoveries([replace(LONG_OUTAGE, end=104.0)], EVENTS, TTL) == []


def test_a_refusal_needs_an_administrator_who_ended_something() -> None:
    """Shortly before, and of the same scope; or a credential that died on its way."""
    by = [Revocation("mlflow", "signing-key", 50.0)]
    for refusal, fine in (
        (Refusal("mlflow", "resource", 51.0), True),
        (Refusal("mlflow", "resource", 49.0), False),
        (Refusal("mlflow", "resource", 57.0), False),
        (Refusal("queue", "resource", 51.0, late=2.0), False),
        (Refusal("queue", "resource", 51.0, late=0.1), True),
        (Refusal("train-data", "0-s3-boto3", 51.0), False),
        (Refusal("queue", "6-http-auth", 51.0), True),  # the resource says the same
    ):
        assert (unexplained([refusal], by, TTL) == []) == fine, refusal


def test_growth_is_what_is_left_in_quiet_moments() -> None:
    """Two threads or descriptors more are let pass, but for those of workers."""
    before = Sample(0, 13, 37, 120_000)

    def kept(after: Sample, slope: float = 100.0, *, long: bool = True) -> list[bool]:
        limits = (6000.0, 256.0) if long else None
        promises = growth(before, after, slope=slope, limits=limits)
        return [promise.kept for promise in promises]

    assert kept(Sample(1, 15, 47, 126_000)) == [True, True, True]
    assert kept(Sample(1, 16, 39, 126_000)) == [False, True, True]
    assert kept(Sample(1, 15, 48, 126_000)) == [True, False, True]
    assert kept(Sample(1, 15, 39, 126_001)) == [True, True, False]
    assert kept(Sample(1, 15, 39, 126_000), 257.0) == [True, True, False]
    assert kept(Sample(1, 15, 39, 126_001), 257.0, long=False) == [True, True]


def test_samples_are_summed_up_by_median_maximum_and_slope() -> None:
    """One sample amid a renewal does not count, 60 KiB a minute do."""
    samples = [
        Sample(at=second, threads=13, descriptors=37, rss=1000 + second)
        for second in range(120)
    ]
    samples[60] = replace(samples[60], threads=20)
    assert typical(samples).threads == 13
    assert highest(samples).threads == 20
    assert abs(slope(samples) - 60) < 1e-6


def test_a_seed_gives_the_same_faults_again() -> None:
    """All kinds, short and long, about half of the time."""
    drawn = list(islice(steps(7), 2000))
    assert drawn == list(islice(steps(7), 2000))
    assert drawn != list(islice(steps(8), 2000))
    assert {step.kind for step in drawn} == set(KINDS)
    lengths = [step.seconds for step in drawn]
    assert all(SHORT[0] <= s <= SHORT[1] or LONG[0] <= s <= LONG[1] for s in lengths)
    share = sum(lengths) / (sum(lengths) + sum(step.calm for step in drawn))
    assert 0.4 < share < 0.6
