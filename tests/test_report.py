"""The exit report: honest words, never "revoked" of what was not."""

from __future__ import annotations

import json

from mlsecrets.exposure import MOST_KEPT, Exposure, Exposures, How
from mlsecrets.grant import Fate, Outcome, Terms
from mlsecrets.memory import Protection, Sealed, SecretBuffer
from mlsecrets.report import EndedGrant, ExitReport, ShredReport
from mlsecrets.sweep import SweepReport


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
        ShredReport(1),
    )
    after = report.with_login("login", Outcome(Fate.REVOKED))
    assert [end.outcome.fate for end in after.ended] == [
        Fate.REVOKED,
        Fate.ENDS_AT_TTL,
        Fate.ENDS_AT_TTL,
    ]
    assert report.with_login("login", Outcome(Fate.ENDS_AT_TTL)) == report


def test_what_was_found_in_memory_is_said() -> None:
    """Who was shown what, what was found, and what is left."""
    swept = SweepReport(
        copies=3, fragments=1, wiped=4, scanned_bytes=5_000_000, regions={"heap": 4}
    )
    exposure = (
        Exposure("botocore", "secret_access_key", How.SIGNED),
        Exposure("s3fs", "session_token", How.REVEALED),
    )
    said = str(ExitReport("data", (), ShredReport(2, None, exposure, swept)))
    assert said.splitlines() == [
        "data: other processes of the job hold it still",
        "data: 2 generation(s) wiped from our own memory",
        "data: secret_access_key signed with (botocore)",
        "data: session_token revealed (s3fs)",
        "data: 3 full copies and 1 fragments elsewhere (4 in heap); 4 wiped, 0 left; "
        "5 MB in 0.00 s, stopped for 0.0 ms",
    ]


def test_that_nothing_was_swept_is_said() -> None:
    """No number then that could be taken for a zero."""
    said = str(ShredReport(1, not_swept="nothing was revealed"))
    assert said.splitlines()[-1] == "not swept: nothing was revealed"
    refused = SweepReport(copies=2, refused="ptrace is refused")
    said = str(ShredReport(1, sweep=refused, not_swept=refused.refused))
    assert said.splitlines()[-1] == (
        "not swept: ptrace is refused; 2 full copies elsewhere"
    )


def test_values_too_old_to_be_looked_for_are_said() -> None:
    """A zero is not theirs."""
    said = str(ShredReport(1, sweep=SweepReport(), forgotten=2))
    assert said.splitlines()[-1] == "2 older revealed values were not looked for"


def test_of_revealed_values_the_newest_are_kept() -> None:
    """The others are counted, and wiped."""
    exposures = Exposures()
    for number in range(MOST_KEPT + 2):
        exposures.revealed(Sealed(SecretBuffer.of(f"{number:020}"), 0, 20))
    assert exposures.forgotten == 2
    kept = [needle.text() for needle in exposures.needles()]
    assert kept == [f"{number:020}" for number in range(2, MOST_KEPT + 2)]
    exposures.close()
    assert exposures.needles() == []


def test_what_the_journal_gets_are_names_and_numbers() -> None:
    """JSON, and nothing else in it."""
    protection = Protection("mlocked", undumpable=True, wiped_on_fork=True)
    exposure = (Exposure("mlflow", "token", How.LATE),)
    figures = ShredReport(1, protection, exposure, SweepReport(copies=1)).figures()
    assert json.loads(json.dumps(figures))["exposure"] == [
        "token injected late (mlflow)"
    ]
