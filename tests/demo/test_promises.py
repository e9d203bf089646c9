"""What makes the demo fail."""

from __future__ import annotations

from typing import Any

import pytest

from mlsecrets_demo.promises import promises, wanted_replacements
from mlsecrets_demo.run import Settings

Figures = dict[str, Any]
SETTINGS = Settings(ttl=6.0, seconds=9.0)


def _broken(figures: Figures) -> list[str]:
    return [promise.text for promise in promises(figures, SETTINGS) if not promise.kept]


def _change(figures: Figures, path: str, value: Any) -> None:
    *steps, last = [int(s) if s.isdigit() else s for s in path.split("/")]
    place: Any = figures
    for step in steps:
        place = place[step]
    place[last] = value


def test_a_good_run_keeps_every_promise(figures: Figures):
    """The recorded run, judged again, is as good as it was."""
    assert _broken(figures) == []


@pytest.mark.parametrize(
    ("path", "value", "broken"),
    [
        ("reads/failed", 1, "no read failed"),
        ("memory/mlflow/sweep/left", 1, "no copy and no fragment"),
        ("memory/mlflow/not_swept", "ptrace is refused", "no copy and no fragment"),
        ("reads/ok", 0, "no read failed"),
        ("reads/store_errors", 1, "no read failed"),
        ("reads/store_refused", 9, "no read failed"),
        ("scopes/mlflow/replaced", 0, "credentials replaced"),
        ("training/accuracy", 0.95, "test accuracy"),
        ("issuer_calls/compared/3/engine", 11, "the journal agrees"),
        ("issuer_calls/logins_seen", 2, "workers made no issuer call"),
        ("issuer_calls/journal_pids", [1, 2], "workers made no issuer call"),
        ("prefix/0/answer", "allowed", "outside its access"),
        ("prefix/1/answer", "FileNotFoundError: a", "outside its access"),
        ("prefix", [], "outside its access"),
        ("old_credentials/0/refused_after", None, "the old credentials"),
        ("old_credentials/2/before", "HTTP 401", "the old credentials"),
        ("old_credentials/3/how", "expired", "the old credentials"),
        ("ended/checkpoints/1/fate", "ends at TTL", "the old credentials"),
        ("control/failed", False, "static credentials"),
    ],
)
def test_each_figure_breaks_its_own_promise(
    figures: Figures, path: str, value: Any, broken: str
):
    """One wrong figure, one broken promise: the exit status follows from it."""
    _change(figures, path, value)
    [text] = _broken(figures)
    assert text.startswith(broken)


def test_a_call_heard_twice_is_no_lie_if_it_failed_once(figures: Figures):
    """A renewal that timed out here may have reached the engine all the same."""
    _change(figures, "issuer_calls/compared/3/engine", 13)
    figures["issuer_calls"]["by_workers"] = 1
    assert len(_broken(figures)) == 2
    _change(figures, "scopes/train-data/failed_renewals", 1)
    assert _broken(figures) == []


def test_a_session_that_was_revoked_must_not_live_to_its_end(figures: Figures):
    """If the report says revoked, the store must have refused it before its expiry."""
    _change(figures, "old_credentials/0/how", "expired")
    _change(figures, "ended/train-data/0/seconds_left", 4.3)
    [text] = _broken(figures)
    assert text.startswith("the old credentials")
    # ... unless there was no time left in which to see the difference.
    _change(figures, "ended/train-data/0/seconds_left", 2.4)
    assert _broken(figures) == []


def test_no_control_is_no_broken_promise(figures: Figures):
    """--no-control leaves the promise out."""
    figures["control"] = None
    assert len(promises(figures, SETTINGS)) == 8
    assert _broken(figures) == []


@pytest.mark.parametrize(
    ("ttl", "seconds", "least"), [(10, 90, 6), (6, 20, 2), (10, 600, 6), (10, 5, 1)]
)
def test_shorter_runs_promise_fewer_replacements(
    ttl: float, seconds: float, least: int
):
    """Six at the default length, and never none."""
    assert wanted_replacements(Settings(ttl=ttl, seconds=seconds)) == least
