"""The with block: how it is entered, shared, left, and what it leaves behind."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
from pathlib import Path

import pytest

from mlsecrets import _current, configure, errors, lease
from mlsecrets._broker._socket import ENVIRONMENT
from mlsecrets._broker.attach import attachment
from mlsecrets.devstack import DevStack
from mlsecrets.exposure import Exposure, How
from mlsecrets.grant import Fate


def test_one_scope_gives_the_lease_itself(stack: DevStack) -> None:
    """Several give a bundle by name."""
    with lease("mlflow") as one:
        assert one.scope == "mlflow"
    with lease("mlflow", "train-data") as several:
        assert list(several) == ["mlflow", "train-data"]
        assert several["train-data"].snapshot().credentials.KIND == "aws"
        with pytest.raises(errors.NotLeased, match="mlflow, train-data"):
            several["checkpoints"]
    assert set(several.reports) == {"mlflow", "train-data"}


def test_nested_blocks_share_one_lease(stack: DevStack) -> None:
    """The outermost ends it, and gets the report."""
    with lease("mlflow") as outer:
        with lease("mlflow") as inner:
            assert inner.snapshot() is outer.snapshot()
        assert outer.snapshot()
        with pytest.raises(errors.NotLeased, match="has not ended"):
            inner.report  # noqa: B018
    assert outer.report.ended


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_every_way_out_ends_the_lease(
    stack: DevStack, error: type[BaseException]
) -> None:
    """Also an exception, Ctrl-C and sys.exit."""
    with pytest.raises(error), lease("train-data") as data:
        raise error
    assert [end.outcome.fate for end in data.report.ended] == [Fate.REVOKED]
    with pytest.raises(errors.LeaseClosed):
        data.snapshot()


def test_it_works_in_coroutines(stack: DevStack) -> None:
    """Entering and leaving talk to servers, so they do it on a thread."""

    async def train() -> int:
        async with lease("mlflow") as creds:
            return int(creds.snapshot().terms.generation)

    assert asyncio.run(train()) == 1


def test_it_decorates_functions_and_coroutine_functions(stack: DevStack) -> None:
    """Each call has a lease of its own."""

    @lease("mlflow")
    def train(step: int) -> tuple[int, bool]:
        """Train."""
        return step, _current.session().holds("mlflow")

    @lease("mlflow")
    async def serve(step: int) -> tuple[int, bool]:
        return step, _current.session().holds("mlflow")

    assert train(1) == (1, True)
    assert train(2) == (2, True)
    assert asyncio.run(serve(3)) == (3, True)
    assert train.__doc__ == "Train."
    assert not _current.session().busy


def test_what_cannot_be_had_leaves_nothing_open(stack: DevStack) -> None:
    """The second scope fails: the first is given back."""
    with pytest.raises(errors.UnknownScope):
        lease("mlflow", "nonsense").__enter__()
    session = _current.current()
    assert session is not None
    assert not session.busy
    fates = [event.name for event in session.journal.events(scope="mlflow")]
    assert fates == ["issued", "ends_at_ttl", "shredded"]


def test_a_process_without_a_lease_holds_nothing(stack: DevStack) -> None:
    """No thread, no socket, no variable, no login."""
    import threading

    before = {thread.name for thread in threading.enumerate()}
    with lease("mlflow"):
        path = Path(os.environ[ENVIRONMENT])
        assert path.exists()
        names = {thread.name for thread in threading.enumerate()} - before
        assert names >= {"mlsecrets-renewer", "mlsecrets-broker"}
    assert ENVIRONMENT not in os.environ
    assert not path.parent.exists()
    assert not {t.name for t in threading.enumerate()} & names


def test_a_block_is_entered_once(stack: DevStack) -> None:
    """The same object twice would be two leases with one end."""
    block = lease("mlflow")
    with block, pytest.raises(RuntimeError, match="already entered"):
        block.__enter__()


@pytest.mark.parametrize("wrong", [(), (1,), ("mlflow", "mlflow")])
def test_what_is_no_scope_is_refused(wrong: tuple[object, ...]) -> None:
    """Before anything is asked."""
    with pytest.raises((TypeError, ValueError), match="lease"):
        lease(*wrong)  # type: ignore[arg-type]


def test_configuring_under_an_open_lease_is_refused(stack: DevStack) -> None:
    """Its terms cannot change under it."""
    with lease("mlflow"), pytest.raises(errors.LeaseError, match="open"):
        configure(stack.manifest_path)


def test_an_edited_manifest_counts_from_the_next_lease(
    stack: DevStack, tmp_path: Path
) -> None:
    """No restart."""
    path = tmp_path / "mlsecrets.toml"
    text = stack.manifest_path.read_text()
    for name in ("role-id", "secret-id"):
        text = text.replace(f'"{name}"', f'"{stack.folder / name}"')
    path.write_text(text)
    configure(path)
    with lease("mlflow"):
        pass
    path.write_text(text.replace("[scopes.mlflow]", "[scopes.tracking]"))
    with lease("tracking") as creds:
        assert creds.scope == "tracking"
    with pytest.raises(errors.UnknownScope):
        lease("mlflow").__enter__()


def test_what_was_revealed_is_found_and_wiped(stack: DevStack) -> None:
    """A copy that somebody made is the positive control."""
    configure(stack.manifest_path, sweep="revealed")
    with lease("train-data") as data:
        revealed = data.snapshot().credentials.reveal("session_token")
        planted = bytearray(revealed.encode())
        own = revealed.index(".") + 1  # a JWT's header is everybody's, and stays
        assert data.exposure == (Exposure("python", "session_token", How.REVEALED),)
    report = data.shred_report
    assert report.sweep is not None
    assert report.not_swept is None
    assert report.sweep.copies >= 2
    assert report.sweep.left == 0
    assert report.generations == 1
    # At either end three characters may stay, for what lies beside them.
    assert set(planted[own + 3 : -3]) == {ord("x")}
    assert set(revealed[own + 3 : -3]) == {"x"}


def test_what_is_still_in_use_is_not_swept(stack: DevStack) -> None:
    """It says by whom."""

    class Store:
        """Signs for itself, with what it was shown."""

    configure(stack.manifest_path, sweep="revealed")
    with lease("train-data", "checkpoints") as leases:
        data, other = leases["train-data"], leases["checkpoints"]
        credentials = data.snapshot().credentials
        store = Store()
        credentials.exposures.holds("some-store", store)
        revealed = credentials.reveal("session_token", "some-store")
        other.snapshot().credentials.reveal("session_token")
    assert data.shred_report.not_swept == "some-store not closed"
    assert "not swept: some-store not closed" in str(data.report)
    assert data.shred_report.sweep is None  # of the other, it was
    assert other.shred_report.sweep is not None
    assert "." in revealed
    del store


def test_what_was_not_revealed_needs_no_sweep(stack: DevStack) -> None:
    """And costs none."""
    configure(stack.manifest_path, sweep="revealed")
    with lease("train-data") as data:
        data.snapshot()
    assert data.shred_report.sweep is None
    assert data.shred_report.not_swept == "nothing was revealed"


def test_a_hardened_process_is_so_while_a_lease_is_open(stack: DevStack) -> None:
    """Debuggers of the same user are refused, but for the sweep, and only then."""
    before = Path("/proc/self/coredump_filter").stat().st_uid, dumpable()
    configure(stack.manifest_path, harden=True, sweep="revealed")
    with lease("train-data") as data:
        assert dumpable() == 0
        data.snapshot().credentials.reveal("session_token")
        with lease("mlflow"):
            pass
        assert dumpable() == 0
    assert data.shred_report.not_swept is None
    assert (Path("/proc/self/coredump_filter").stat().st_uid, dumpable()) == before


def dumpable() -> int:
    """PR_GET_DUMPABLE (prctl(2))."""
    return ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)


def test_the_journal_holds_no_secret(stack: DevStack, tmp_path: Path) -> None:
    """Names, numbers and lease ids."""
    journal = tmp_path / "journal.jsonl"
    configure(stack.manifest_path, journal=journal)
    with lease("train-data", "mlflow") as creds:
        secrets = [
            grant.credentials.reveal(field)
            for grant in (creds["train-data"].snapshot(), creds["mlflow"].snapshot())
            for field in grant.credentials.FIELDS
        ]
    text = journal.read_text()
    assert {json.loads(line)["event"] for line in text.splitlines()} >= {
        "issued",
        "revoked",
        "ends_at_ttl",
        "shredded",
    }
    for secret in secrets:
        assert secret not in text


def test_whoever_asks_for_a_lease_that_has_ended_is_told_so(stack: DevStack) -> None:
    """It is over, and was not forgotten: there is nothing to add to a block."""
    with lease("train-data"):
        owner = attachment(os.environ[ENVIRONMENT])
        with pytest.raises(errors.NotLeased):
            owner.source("mlflow").snapshot()
        with lease("mlflow"):
            assert owner.source("mlflow").snapshot().terms.generation == 1
        owner.source("mlflow").drop()
        with pytest.raises(errors.LeaseClosed, match="mlflow has ended"):
            owner.source("mlflow").snapshot()
        with lease("mlflow"):
            assert owner.source("mlflow").snapshot().terms.generation == 1
