"""Frames of ours hold no secret, also where an error strikes among its bytes."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from mlsecrets import lease
from mlsecrets._broker._socket import ENVIRONMENT
from mlsecrets._broker.attach import Attachment
from tests.bursts import bursting
from tests.faults.bao import Bao
from tests.faults.clocks import PatientClock
from tests.faults.secrecy import Secrecy
from tests.faults.store import Store


def test_of_a_login_and_an_issue(
    bao: Bao, secrecy: Secrecy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever a request is composed, or an answer read."""
    bao.configure(bao.line(), PatientClock())

    with ExitStack() as held:
        errors = list(
            bursting(
                monkeypatch, lambda: held.enter_context(lease("queue")), held.close
            )
        )
    assert len(errors) > 3
    for error in errors:
        secrecy.said(error)
    assert len(secrecy.secrets) > 3


def test_of_a_session_and_its_signatures(
    store: Store, secrecy: Secrecy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key and the token are in locked memory only, also while they sign."""
    store.configure(PatientClock(), sts=store.sts[False])
    with lease("train-data") as creds:
        client = creds.boto3_session().client("s3")
        errors = list(
            bursting(
                monkeypatch,
                lambda: client.list_objects_v2(Bucket="datasets", Prefix="digits/"),
            )
        )
        client.close()
    assert len(errors) > 1
    for error in errors:
        secrecy.said(error)
    assert len(secrecy.secrets) > 2


def test_of_an_owner_that_answers_and_a_worker_that_asks(
    bao: Bao, secrecy: Secrecy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On both sides of the socket."""
    bao.configure(bao.line(), PatientClock())
    with lease("queue"):
        path = Path(os.environ[ENVIRONMENT])
        errors = list(
            bursting(monkeypatch, lambda: Attachment(path).source("queue").snapshot())
        )
    assert errors
    for error in errors:
        secrecy.said(error)
