"""A lease's whole life is logged, by whichever library, without its secrets."""

from __future__ import annotations

import warnings

import fsspec
import pytest

from mlsecrets import lease
from mlsecrets.devstack import DevStack
from tests.faults.bao import Bao
from tests.faults.clocks import PatientClock
from tests.faults.secrecy import Secrecy
from tests.faults.store import Store


@pytest.fixture
def key(mlsecrets_stack: DevStack) -> str:
    """An object that the scope may read."""
    s3 = mlsecrets_stack.admin_s3()
    s3.put_object(Bucket="datasets", Key="digits/logs", Body=b"content")
    s3.close()
    return "digits/logs"


def test_sessions_and_what_reads_with_them(
    store: Store, secrecy: Secrecy, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    """At level DEBUG botocore says what it signs: the token in it is withheld."""
    store.configure(PatientClock(), sts=store.sts[False], revoker=store.revoker[False])
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with lease("train-data") as creds:
            for _ in range(2):
                client = creds.boto3_session().client("s3")
                body = client.get_object(Bucket="datasets", Key=key)["Body"]
                assert body.read() == b"content"
                client.close()
                fs = creds.filesystem()
                assert fs.cat_file(f"datasets/{key}") == b"content"
                with fsspec.open(f"leases3://datasets/{key}") as file:
                    assert file.read() == b"content"
                creds.reject(creds.snapshot().terms.generation)
    for warning in warned:
        secrecy.said(warning.message)
    loggers = {record.name for record in caplog.records}
    assert {"botocore.auth", "botocore.endpoint"} <= loggers
    assert any("withheld: it holds the session_token" in m for m in caplog.messages)
    assert len(secrecy.secrets) > 4


def test_logins_and_what_lives_by_them(bao: Bao, secrecy: Secrecy) -> None:
    """From the secret id to the end of every generation."""
    bao.configure(bao.line(), PatientClock())
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with lease("queue", "mlflow") as creds:
            creds["queue"].reject(creds["queue"].snapshot().terms.generation)
            secrecy.said(creds["mlflow"].snapshot())
    for warning in warned:
        secrecy.said(warning.message)
    secrecy.said(creds["queue"].report)
    assert len(secrecy.secrets) > 3
