"""The search for secrets finds them, or its silence would mean nothing."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from mlsecrets import lease
from mlsecrets.errors import LeaseExpired
from tests.faults.bao import Bao
from tests.faults.clocks import PatientClock
from tests.faults.secrecy import Secrecy
from tests.faults.store import Store
from tests.frames import OURS


@pytest.fixture
def search(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> Secrecy:
    watching = Secrecy(caplog)
    watching.watch(monkeypatch)
    return watching


def test_every_secret_of_openbao_is_searched_for(bao: Bao, search: Secrecy) -> None:
    """The secret id, the login's token, the password."""
    bao.configure(bao.line(), PatientClock())
    with lease("queue") as creds:
        password = creds.snapshot().credentials.reveal("password")
    assert password in search.secrets
    assert any(secret.startswith("s.") for secret in search.secrets)
    assert len(search.secrets) == 3
    search.check()


def test_every_secret_of_an_sts_is_searched_for(store: Store, search: Secrecy) -> None:
    """The JWT, the key and the session's token."""
    store.configure(PatientClock(), sts=store.sts[False])
    with lease("train-data") as creds:
        credentials = creds.snapshot().credentials
        key = credentials.reveal("secret_access_key")
        token = credentials.reveal("session_token")
    assert {key, token} <= search.secrets
    assert len(search.secrets) == 3
    search.check()


def raised_by_ours(held: str) -> Exception:
    """An error from a function of ours that holds something in a local variable."""
    source = "def fail(headers):\n    raise ValueError('no')"
    names: dict[str, Any] = {}
    exec(compile(source, f"{OURS}/invented.py", "exec"), names)
    try:
        names["fail"]({"X-Token": [held.encode()]})
    except ValueError as error:
        return error
    raise AssertionError("it did not raise")


@pytest.mark.parametrize(
    "where", ["log", "log-argument", "error", "cause", "frame", "event"]
)
def test_a_secret_is_found_wherever_it_is_said(
    bao: Bao, search: Secrecy, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    """In a log record, an error, its cause or remedy, a frame that it came through."""
    bao.configure(bao.line(), PatientClock())
    with lease("queue") as creds:
        password = creds.snapshot().credentials.reveal("password")
    search.check()
    if where == "log":
        logging.getLogger("mlsecrets").warning(f"it is {password}")  # noqa: G004
    elif where == "log-argument":
        logging.getLogger("mlsecrets").warning("it is %s", password)
    elif where == "error":
        search.said(LeaseExpired("it", remedy=password))
    elif where == "frame":
        search.said(raised_by_ours(password))
    elif where == "cause":
        error = LeaseExpired("it")
        error.__cause__ = ValueError(password)
        search.said(error)
    else:
        search.said(creds.report)
        search.said(f"event {password}")
    with pytest.raises(AssertionError, match="a secret was said"):
        search.check()
