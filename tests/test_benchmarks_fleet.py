"""The fleet benchmark counts rightly, and its target holds: a short form of it."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module", autouse=True)
def importable() -> Any:
    """The benchmark's own package, as its script finds it."""
    sys.path.insert(0, str(BENCHMARKS))
    yield
    sys.path.remove(str(BENCHMARKS))


@pytest.fixture
def calm() -> Callable[..., Any]:
    """Simulate a fleet that nothing befalls."""
    from _fleet.node import Kind
    from _fleet.trial import Trial
    from _fleet.trial import calm as simulate

    def simulated(rule: str, nodes: int, life: float, **more: float) -> Any:
        return simulate(Trial(rule, nodes, Kind(life), **more))

    return simulated


def test_the_naive_rule_calls_every_two_thirds_of_a_life(calm: Any) -> None:
    """One node: nine calls in six lives. A fleet in step: all of them in one bin."""
    assert calm("2/3 of life", 1, 900.0).rate == pytest.approx(9 / (6 * 900))
    fleet = calm("2/3 of life", 50, 900.0)
    assert fleet.rate == pytest.approx(50 * 9 / (6 * 900))
    assert fleet.first == 50
    # Six parts to a life, a call in every fourth of them.
    assert fleet.peaks[-1] == pytest.approx(4.0)


def test_botocore_calls_at_each_read_of_a_life_no_longer_than_its_window(
    calm: Any,
) -> None:
    """Fifteen minutes are never more than fifteen minutes."""
    assert calm("botocore", 1, 900.0).rate == pytest.approx(0.1, rel=0.01)


def test_botocore_calls_fifteen_minutes_before_the_end_of_an_hour(calm: Any) -> None:
    """At its first read after that: every 2710 seconds."""
    assert calm("botocore", 10, 3600.0).rate == pytest.approx(10 / 2710, rel=0.05)


def test_one_lease_of_ours_calls_once_in_each_wait_of_its_schedule() -> None:
    """As often as `renewal_due` says, to the call."""
    from _fleet.node import Kind
    from _fleet.ours import leased
    from _fleet.run import run
    from _fleet.service import Service

    from mlsecrets._schedule import SHORTEST_WAIT, head_start, renewal_due
    from mlsecrets.grant import Terms

    key = "train-data:node-00000:0"
    wait = renewal_due(Terms("s", "i", 0.0, 900.0, 900.0), key)
    first = wait - wait * head_start(key) * (1 - SHORTEST_WAIT)
    service = Service()
    run(leased(service, Kind(900.0)), [0.0], service.calls, until=9000.0)
    expected = [0.0]
    due = first
    while due < 9000.0:
        expected.append(due)
        due += wait
    assert list(service.calls) == pytest.approx(expected)


def test_no_call_and_no_gap_is_lost_in_an_outage() -> None:
    """A node that tries each second: what it calls, and when it held nothing."""
    from _fleet.node import Kind
    from _fleet.run import run
    from _fleet.service import Service
    from _fleet.trial import NAIVE, Trial, _maker

    service = Service(away=(550.0, 1150.0))
    trial = Trial(NAIVE, 1, Kind(900.0))
    history = run(_maker(trial, service), [0.0], service.calls, until=1200.0)
    assert list(service.calls) == [0.0, *(600.0 + n for n in range(551))]
    assert history.gaps == [(0, 900.0, 1150.0)]


def test_a_limited_issuer_grants_no_more_than_its_limit() -> None:
    """Two a second for ten seconds, however many ask; and all of them are counted."""
    from _fleet.service import Answer, Service

    service = Service(away=(0.0, 100.0), limit=2.0)
    assert service.ask(99.0) is Answer.AWAY
    answers = [service.ask(100.0 + n / 10) for n in range(100)]
    granted = answers.count(Answer.GRANTED)
    assert 20 <= granted <= 22
    assert service.throttled == 100 - granted
    assert len(service.calls) == 101


def test_the_peak_by_chance_is_that_of_drawn_calls() -> None:
    """Against as many instants at random, many times over."""
    import random

    from _fleet.measure import counts, peak_over_mean, poisson_peak

    chance = random.Random(1)
    drawn = [
        peak_over_mean(
            counts(sorted(chance.random() for _ in range(2000)), 0.0, 1.0, 40)
        )
        for _ in range(101)
    ]
    assert poisson_peak(50.0, 40) == pytest.approx(sorted(drawn)[50], rel=0.06)
    assert math.isnan(peak_over_mean([0, 0]))


def test_a_thousand_nodes_that_start_together_are_spread() -> None:
    """Peak over mean at most 1.3; the naive rule stays in step for good."""
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "fleet.py"), "--quick", "--json"],
        capture_output=True,
        check=True,
        text=True,
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    steady = {
        row["trial"]["rule"]: row["found"]["peaks"][-1]
        for row in rows
        if "peaks" in row["found"]
    }
    assert steady["mlsecrets"] <= 1.3
    assert steady["2/3 of life"] == pytest.approx(4.0)
    (lost,) = [row["found"] for row in rows if "all_valid" in row["found"]]
    assert 0 < lost["all_valid"] < 1800
    assert lost["hungry"] < 1000
