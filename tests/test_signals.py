"""SIGTERM as an exit: it neither breaks off what ends leases, nor comes too early."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlsecrets import configure, lease
from mlsecrets._signals import EXIT_STATUS, SigtermExit, ignore_exit
from mlsecrets._stack import Stack
from mlsecrets.clock import SYSTEM_CLOCK
from mlsecrets.grant import Ending, Outcome
from mlsecrets.testing import FakeIssuer
from tests.forks.conftest import MANIFEST


class Terminating(FakeIssuer):
    """Has this process told to end while a lease is being revoked."""

    ended = False

    def end(self, ending: Ending, timeout: float) -> Outcome:
        signal.raise_signal(signal.SIGTERM)
        self.ended = True
        return super().end(ending, timeout)


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    """The system's default, as in most programs; given back afterwards."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)


def test_it_waits_until_leases_have_been_revoked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What is taken out to be revoked would be lost if that were broken off."""
    issuer = Terminating(SYSTEM_CLOCK)
    monkeypatch.setattr(Stack, "issuer", lambda stack, name: issuer)
    path = tmp_path / "mlsecrets.toml"
    path.write_text(MANIFEST)
    configure(path, on_sigterm="exit")
    with pytest.raises(SystemExit) as ended, lease("data"):
        pass
    assert ended.value.code == EXIT_STATUS
    assert issuer.ended
    assert issuer.calls[-1] == ("end", "data")
    configure()


def test_the_last_that_wants_it_gives_it_back() -> None:
    """A process may owe the end of its leases to others after its own block."""
    block, owner = SigtermExit(), SigtermExit()
    block.install()
    owner.install()
    block.remove()
    with pytest.raises(SystemExit):
        signal.raise_signal(signal.SIGTERM)
    owner.remove()
    # Once it has come, the process is on its way out.
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


def test_a_process_at_its_end_ignores_it() -> None:
    """Its exit would break off what it does there; another's handler stays."""
    exits = SigtermExit()
    exits.install()
    ignore_exit()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    exits.remove()
    signal.signal(signal.SIGTERM, mine := lambda *_: None)
    ignore_exit()
    assert signal.getsignal(signal.SIGTERM) is mine
