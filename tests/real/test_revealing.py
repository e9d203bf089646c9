"""Readers that insist on strings: named, current, and out of the way afterwards."""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
from typing import Any

import boto3
import pytest

from mlsecrets import Lease, _current, configure, errors, lease
from mlsecrets.clock import SYSTEM_CLOCK
from mlsecrets.devstack import DevStack
from mlsecrets.exposure import Exposures, How
from mlsecrets.storage.obstore import WINDOW

Digits = dict[str, list[str]]
FIELDS = {"secret_access_key", "session_token"}


def exposures(scope: str = "train-data") -> Exposures:
    return _current.session().held(scope).exposures


def how(held: Lease, reader: str) -> dict[str, How]:
    return {seen.field: seen.how for seen in held.exposure if seen.reader == reader}


def needles(held: Lease) -> set[str]:
    return {needle.text() for needle in exposures(held.scope).needles()}


def secrets(held: Lease) -> set[str]:
    credentials = held.snapshot().credentials
    return {credentials.sealed(field).text() for field in credentials.FIELDS}


# -- obstore -------------------------------------------------------------------------


def test_obstore_reads_each_generation(stack: DevStack, digits: Digits) -> None:
    """It asks again before the one it has ends, and only then."""
    obstore = pytest.importorskip("obstore.store")
    with lease("train-data") as data:
        provider = data.obstore_provider()
        asked: list[float] = []

        class Counting(type(provider)):  # type: ignore[misc]
            def __call__(self) -> dict[str, Any]:
                given = super().__call__()
                asked.append(given["expires_at"].timestamp())
                return given

        provider.__class__ = Counting
        store = obstore.S3Store(
            "datasets",
            credential_provider=provider,
            client_options={"allow_http": True},
        )
        for _ in range(20):
            assert bytes(store.get(digits["train"][0]).bytes())[:4] == b"PAR1"
        assert len(asked) == 1
        # It is taken for stale five minutes before what is reported: before its end.
        assert SYSTEM_CLOCK.wall() < asked[0] - WINDOW < data.expires_at


def test_what_a_store_was_shown_is_in_use_while_it_lives(
    stack: DevStack, digits: Digits
) -> None:
    """Every value is kept as a needle, and the reader is named."""
    obstore = pytest.importorskip("obstore.store")
    with lease("train-data") as data:
        assert needles(data) == set()
        store = obstore.S3Store(
            "datasets",
            credential_provider=data.obstore_provider(),
            client_options={"allow_http": True},
        )
        store.head(digits["train"][0])
        assert how(data, "obstore") == dict.fromkeys(FIELDS, How.REVEALED)
        assert needles(data) == secrets(data)
        assert exposures().in_use() == "obstore not closed"
        del store
        gc.collect()
        assert exposures().in_use() is None


def test_a_provider_outlives_no_lease(stack: DevStack) -> None:
    """After the block it gives nothing."""
    with lease("train-data") as data:
        obstore, polars = data.obstore_provider(), data.polars_provider()
        obstore()
    for provider in (obstore, polars):
        with pytest.raises(errors.LeaseClosed):
            provider()


def test_providers_pickle_without_a_secret(stack: DevStack) -> None:
    """And are the same reader wherever they arrive."""
    with lease("train-data") as data:
        for provider in (data.obstore_provider(), data.polars_provider()):
            provider()
            text = pickle.dumps(provider)
            assert not any(s.encode() in text for s in secrets(data))
            again = pickle.loads(text)
            assert again == provider
            assert hash(again) == hash(provider)
            assert repr(again) == repr(provider)
            assert again() is not None
        assert data.obstore_provider() != data.polars_provider()


# -- polars --------------------------------------------------------------------------


def test_what_polars_expects_of_a_provider(stack: DevStack) -> None:
    """Values by their names in its storage options, and whole epoch seconds."""
    with lease("train-data") as data:
        values, expiry = data.polars_provider()()
        credentials = data.snapshot().credentials
        assert values == {
            "aws_access_key_id": credentials.public["access_key_id"],
            "aws_secret_access_key": credentials.sealed("secret_access_key").text(),
            "aws_session_token": credentials.sealed("session_token").text(),
        }
        assert isinstance(expiry, int)
        assert SYSTEM_CLOCK.wall() < expiry < data.expires_at
        assert how(data, "polars") == dict.fromkeys(FIELDS, How.REVEALED)


# -- pyarrow -------------------------------------------------------------------------


def test_pyarrow_signs_with_the_locked_key(stack: DevStack, digits: Digits) -> None:
    """Through fsspec: only the token is revealed, and the pickle holds nothing."""
    pq = pytest.importorskip("pyarrow.parquet")
    path = f"datasets/{digits['train'][0]}"
    with lease("train-data") as data:
        fs = data.pyarrow_filesystem()
        rows = pq.read_table(path, filesystem=fs).num_rows
        assert rows > 0
        text = pickle.dumps(fs)
        assert not any(secret.encode() in text for secret in secrets(data))
        assert pq.read_table(path, filesystem=pickle.loads(text)).num_rows == rows
        assert how(data, "s3fs") == {
            "secret_access_key": How.SIGNED,
            "session_token": How.REVEALED,
        }


# -- the environment -----------------------------------------------------------------


def test_the_environment_holds_them_for_a_block(
    stack: DevStack, digits: Digits, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library that looks nowhere else reads; afterwards all is as it was."""
    monkeypatch.setenv("AWS_REGION", "eu-west-7")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "the user's own")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    before = dict(os.environ)
    with lease("train-data") as data:
        inside = dict(os.environ)
        with data.environ():
            client = boto3.Session().client("s3")
            body = client.get_object(Bucket="datasets", Key=digits["train"][0])["Body"]
            assert body.read()[:4] == b"PAR1"
            body.close()
            client.close()
            os.environ["AWS_SESSION_TOKEN"] = "changed inside"
            del os.environ["AWS_SECRET_ACCESS_KEY"]
            assert exposures().in_use() == "environment not closed"
        assert dict(os.environ) == inside
        assert exposures().in_use() is None
        assert how(data, "environment") == dict.fromkeys(FIELDS, How.REVEALED)
    assert dict(os.environ) == before


def test_the_environment_is_given_back_after_an_error(stack: DevStack) -> None:
    """Whatever ends the block."""
    with lease("train-data") as data:
        before = dict(os.environ)
        with pytest.raises(ZeroDivisionError), data.environ():
            1 / len(os.environ["AWS_ENDPOINT_URL_S3"].replace(stack.store.address, ""))
        assert dict(os.environ) == before


def test_one_block_at_a_time_has_the_environment(stack: DevStack) -> None:
    """Two could not both give back what they found."""
    with lease("train-data", "checkpoints") as held:
        with held["train-data"].environ():
            mine = os.environ["AWS_ACCESS_KEY_ID"]
            with (
                pytest.raises(RuntimeError, match="already"),
                held["checkpoints"].environ(),
            ):
                pass
            assert os.environ["AWS_ACCESS_KEY_ID"] == mine
        with held["checkpoints"].environ():
            assert os.environ["AWS_ACCESS_KEY_ID"] != mine


def test_children_inherit_the_environment(stack: DevStack) -> None:
    """As the documentation warns."""
    with lease("train-data") as data, data.environ():
        done = subprocess.run(
            [sys.executable, "-c", "import os; print(os.environ['AWS_SESSION_TOKEN'])"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() in secrets(data)


def test_nothing_is_revealed_unasked(stack: DevStack) -> None:
    """A lease that nobody read shows nothing, and sets nothing."""
    configure(stack.manifest_path)
    before = {name for name in os.environ if name.startswith("AWS_")}
    with lease("train-data") as data:
        assert data.exposure == ()
        assert {name for name in os.environ if name.startswith("AWS_")} == before


def test_only_store_leases_have_these(stack: DevStack) -> None:
    """A bearer is no key."""
    with lease("mlflow") as creds:
        for method in (
            creds.obstore_provider,
            creds.polars_provider,
            creds.pyarrow_filesystem,
            creds.environ,
        ):
            with pytest.raises(errors.NotLeased, match="not for an object store"):
                method()
