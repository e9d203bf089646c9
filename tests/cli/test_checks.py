"""The findings that need no server."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mlsecrets.cli._checks import _here, failed
from mlsecrets.cli._checks._here import memory, packages, sweeping
from mlsecrets.cli._checks._scopes import length
from mlsecrets.cli._checks._servers import clocks
from mlsecrets.cli._starter import manifest as starter
from mlsecrets.errors import IssuerSealed, IssuerUnavailable, LeaseExpired
from mlsecrets.grant import Terms
from mlsecrets.issuer import Limits
from mlsecrets.manifest import Manifest, load
from mlsecrets.memory import Protection, SecretBuffer
from mlsecrets.sweep import SweepReport

NOTE = "an STS session ends at its TTL"
HOUR = 3600.0


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    path = tmp_path / "mlsecrets.toml"
    path.write_text(starter("https://bao.example.org"))
    return load(path)


def terms(lifetime: float, *, renewable: bool = False) -> Terms:
    return Terms("data", "id", 0.0, lifetime, 1000.0 + lifetime, renewable)


@pytest.mark.parametrize("skew", [-1.0, 0.0, 1.0, 1.9])
def test_clocks_within_what_a_date_header_can_say_agree(skew: float) -> None:
    """It has whole seconds."""
    assert clocks("bao", skew).remedy is None


@pytest.mark.parametrize(("skew", "word"), [(62.0, "ahead"), (-62.0, "behind")])
def test_a_clock_that_is_a_little_off_is_advice(skew: float, word: str) -> None:
    """Jobs still run: it is no failure yet."""
    check = clocks("bao", skew)
    assert check.ok
    assert check.found == f"62 s {word}"
    assert "chronyc" in (check.remedy or "")


@pytest.mark.parametrize("skew", [HOUR, -HOUR])
def test_a_clock_that_is_an_hour_off_fails(skew: float) -> None:
    """A store refuses every signature made by it."""
    check = clocks("bao", skew)
    assert not check.ok
    assert check.found.startswith("3600 s ")
    assert "chronyc" in (check.remedy or "")


def test_a_server_without_a_date_is_no_failure() -> None:
    """It is said that nothing is known."""
    assert clocks("bao", None).ok


def test_replacements_are_counted_over_the_job() -> None:
    """A session of an hour is replaced 15 to 11 minutes before its end."""
    check = length(
        terms(HOUR), Limits(False, False, NOTE), took=0.1, job_length=12 * HOUR
    )
    assert check.ok
    assert "lives 60 min; replaced 1" in check.found
    assert "in a job of 12 h" in check.found
    assert NOTE in check.found


def test_renewals_are_called_renewals() -> None:
    """The credentials stay the same, and open connections with them."""
    limits = Limits(True, True, "renewed up to its max TTL")
    check = length(terms(60, renewable=True), limits, took=0.1, job_length=HOUR)
    assert "renewed" in check.found
    assert "replaced" not in check.found


def test_a_life_longer_than_the_job_needs_no_renewal() -> None:
    """However short the job and however slow the issuer."""
    check = length(terms(HOUR), Limits(True, True, ""), took=9.0, job_length=60.0)
    assert check.ok
    assert "longer than a job of 60 s" in check.found


@pytest.mark.parametrize(("lifetime", "took"), [(1.5, 0.01), (10.0, 2.0)])
def test_a_life_too_short_to_renew_safely_fails(lifetime: float, took: float) -> None:
    """One slow answer would end it; the remedy names a ttl that does not."""
    limits = Limits(False, False, NOTE)
    check = length(terms(lifetime), limits, took=took, job_length=HOUR)
    assert not check.ok
    assert "lengthen the ttl" in (check.remedy or "")
    enough = float((check.remedy or "").split(" s or more")[0].split()[-1])
    assert length(terms(enough), limits, took=took, job_length=HOUR).ok


def test_an_error_is_told_with_its_causes_and_its_remedy() -> None:
    """The remedy of the nearest error that has one."""
    try:
        try:
            raise IssuerSealed("issuer bao is sealed", remedy="unseal it")
        except IssuerUnavailable as cause:
            raise LeaseExpired("lease data has expired") from cause
    except LeaseExpired as error:
        check = failed("scope data", error)
    assert check.found == (
        "LeaseExpired: lease data has expired, "
        "because IssuerSealed: issuer bao is sealed"
    )
    assert (check.ok, check.remedy) == (False, "unseal it")


def test_an_error_without_a_remedy_still_gets_one() -> None:
    """Every failure says what to do."""
    assert failed("x", LeaseExpired("gone")).remedy


def test_memory_is_told_as_this_machine_grants_it() -> None:
    """The same protections that a lease's memory gets."""
    check = memory()
    with SecretBuffer(1) as buffer:
        locked = buffer.protection.kind != "plain"
    assert check.ok
    assert ("never swapped" in check.found) == locked


def test_memory_that_cannot_be_locked_is_advice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A job gets its leases all the same."""
    reason = "may go to swap: mlock: cannot allocate memory"
    refused = Protection("plain", reasons=(reason,))
    monkeypatch.setattr(SecretBuffer, "protection", refused)
    check = memory()
    assert check.ok
    assert reason in check.found
    assert "ulimit -l" in (check.remedy or "")


def test_a_sweep_is_tried() -> None:
    """On an invented secret, of which there is a copy."""
    check = sweeping()
    assert check.ok
    assert re.match(r"[1-9]\d* copies of an invented secret found, 0 left", check.found)


def test_that_no_sweep_is_possible_is_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a container without ptrace: the job gets its leases all the same."""
    refused = SweepReport(refused="ptrace is not permitted")
    monkeypatch.setattr(_here, "sweep", lambda needles: refused)
    check = sweeping()
    assert check.ok
    assert check.found == "not possible: ptrace is not permitted"
    assert "SYS_PTRACE" in (check.remedy or "")


def test_packages_are_told_with_their_versions(manifest: Manifest) -> None:
    """What a bug report needs."""
    check = packages(manifest)
    assert check.found.startswith("mlsecrets ")
    assert "Python 3." in check.found


def test_a_store_without_s3fs_is_advice(
    manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the exact line that installs it."""
    monkeypatch.setattr("mlsecrets.cli._checks._here.installed", lambda name: None)
    assert packages(manifest).remedy == "pip install 'mlsecrets[s3]'"
