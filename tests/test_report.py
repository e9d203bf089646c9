"""The exit report: honest words, never "revoked" of what was not."""

from __future__ import annotations

from mlsecrets.grant import Fate, Outcome, Terms
from mlsecrets.memory import CopyReport
from mlsecrets.report import EndedGrant, ExitReport


def ended(fate: Fate, reason: str = "", parent: str | None = None) -> EndedGrant:
    terms = Terms("data", "lease/1", 0.0, 60.0, 60.0, parent=parent)
    return EndedGrant(terms, Outcome(fate, reason), 12.34)


def test_each_fate_in_words() -> None:
    """What is left to live is said of what lives on, and of nothing else."""
    said = [str(ended(fate, "because")) for fate in Fate]
    assert said == [
        "generation 1 revoked (because)",
        "generation 1 ends at TTL, in 12.3 s at the latest (because)",
        "generation 1 expired (because)",
        "generation 1 static (because)",
    ]


def test_what_hangs_on_a_revoked_login_is_revoked() -> None:
    """And only that, and only if the login was."""
    report = ExitReport(
        "data",
        (
            ended(Fate.ENDS_AT_TTL, "no", parent="login"),
            ended(Fate.ENDS_AT_TTL, "no", parent="another"),
            ended(Fate.ENDS_AT_TTL, "no"),
        ),
        shredded=1,
    )
    after = report.with_login("login", Outcome(Fate.REVOKED))
    assert [end.outcome.fate for end in after.ended] == [
        Fate.REVOKED,
        Fate.ENDS_AT_TTL,
        Fate.ENDS_AT_TTL,
    ]
    assert report.with_login("login", Outcome(Fate.ENDS_AT_TTL)) == report


def test_what_was_found_in_memory_is_said() -> None:
    """Also that nothing was searched: no number then."""
    found = CopyReport(
        copies=3, scanned_bytes=5_000_000, seconds=0.5, regions={"heap": 3}
    )
    assert "3 full copies elsewhere in 5 MB of memory (3 in heap)" in str(
        ExitReport("data", (), 1, copies=found)
    )
    skipped = CopyReport(skipped="no /proc")
    assert "memory not searched: no /proc" in str(
        ExitReport("data", (), 1, copies=skipped)
    )
