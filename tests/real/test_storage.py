"""Readers of storage on leases, against the real store."""

from __future__ import annotations

import json
import pickle
import threading
from pathlib import Path

import fsspec
import pytest
import requests
from botocore.exceptions import ClientError

from mlsecrets import _current, _session, configure, errors, lease
from mlsecrets.devstack import DevStack
from mlsecrets.grant import Fate
from mlsecrets.testing import FakeClock
from tests.real.conftest import Edit

Digits = dict[str, list[str]]


def revealed(grant: object) -> list[str]:
    """The secret values of a snapshot."""
    credentials = grant.credentials  # type: ignore[attr-defined]
    return [credentials.reveal(field) for field in credentials.FIELDS]


def test_every_spelling_reads_the_same_bytes(stack: DevStack, digits: Digits) -> None:
    """leases3://, plain s3://, the file system, boto3 and storage_options."""
    key = digits["train"][0]
    with lease("train-data") as data:
        with fsspec.open(f"leases3://datasets/{key}") as file:
            content = file.read()
        with fsspec.open(f"s3://datasets/{key}") as file:
            assert file.read() == content
        assert data.filesystem().cat_file(f"datasets/{key}") == content
        assert data.filesystem().cat_file(f"s3://datasets/{key}") == content
        with fsspec.open(f"s3://datasets/{key}", **data.storage_options) as file:
            assert file.read() == content
        s3 = data.boto3_session().client("s3")
        body = s3.get_object(Bucket="datasets", Key=key)["Body"]
        assert body.read() == content
        body.close()
        s3.close()
    assert content[:4] == b"PAR1"


def test_readers_survive_replacements(stack: DevStack, digits: Digits) -> None:
    """One open file system, six generations, no failed read."""
    clock = FakeClock(wall=None)
    configure(stack.manifest_path, clock=clock)
    with lease("train-data") as data:
        fs, seen = data.filesystem(), set()
        live = _current.session().held("train-data")
        for _ in range(6):
            assert fs.cat_file(f"datasets/{digits['train'][0]}")
            seen.add(data.snapshot().terms.generation)
            live.tend()
        assert seen == {1, 2, 3, 4, 5, 6}


def test_one_client_serves_several_leases(stack: DevStack, digits: Digits) -> None:
    """Each request is signed by the lease whose access covers it."""
    with lease("train-data", "checkpoints"):
        fs = fsspec.filesystem("leases3")
        content = fs.cat_file(f"datasets/{digits['train'][0]}")
        fs.pipe_file("checkpoints/run-7/copy.parquet", content)
        assert fs.cat_file("checkpoints/run-7/copy.parquet") == content
        fs.rm("checkpoints/run-7/copy.parquet")


def test_folders_are_found_like_folders(stack: DevStack) -> None:
    """Lightning asks for a run's folder before it writes to it."""
    with lease("checkpoints"):
        fs = fsspec.filesystem("leases3")
        assert not fs.exists("checkpoints/run-8")
        fs.makedirs("checkpoints/run-8", exist_ok=True)
        fs.pipe_file("checkpoints/run-8/a/last.ckpt", b"x")
        assert fs.isdir("checkpoints/run-8")
        assert fs.find("checkpoints/run-8") == ["checkpoints/run-8/a/last.ckpt"]
        fs.rm("checkpoints/run-8", recursive=True)


def test_large_objects_are_written_in_parts(stack: DevStack) -> None:
    """Each part signed for itself."""
    content = bytes(range(256)) * 4096 * 12
    with lease("checkpoints"):
        with fsspec.open("leases3://checkpoints/run-9/big", "wb") as file:
            file.write(content)
        fs = fsspec.filesystem("leases3")
        assert fs.cat_file("checkpoints/run-9/big") == content
        fs.rm("checkpoints/run-9/big")


# -- scope ---------------------------------------------------------------------------


def test_the_store_enforces_the_prefix(stack: DevStack) -> None:
    """Outside of it the store says no: the session policy is the scope's access."""
    s3 = stack.admin_s3()
    s3.put_object(Bucket="datasets", Key="secret/x", Body=b"x")
    s3.close()
    with lease("train-data") as data:
        client = data.boto3_session().client("s3")
        for call in (
            lambda: client.get_object(Bucket="datasets", Key="secret/x"),
            lambda: client.list_objects_v2(Bucket="datasets", Prefix="secret/"),
            lambda: client.put_object(Bucket="datasets", Key="digits/x", Body=b""),
            lambda: client.get_object(Bucket="other", Key="x"),
        ):
            with pytest.raises(ClientError) as caught:
                call()
            assert caught.value.response["Error"]["Code"] == "AccessDenied"
        client.close()
        with pytest.raises(PermissionError):
            data.filesystem().cat_file("datasets/secret/x")


def test_what_no_lease_covers_is_not_sent(stack: DevStack) -> None:
    """The error names what is leased, and is a PermissionError to libraries."""
    with lease("train-data"):
        with pytest.raises(errors.NotLeased, match="read s3://datasets/digits/") as got:
            fsspec.filesystem("leases3").cat_file("datasets/secret/x")
        assert isinstance(got.value, PermissionError)
        with pytest.raises(errors.NotLeased, match="PutObject"):
            fsspec.filesystem("leases3").pipe_file("datasets/digits/x", b"x")


def test_outside_a_block_there_is_nothing(stack: DevStack) -> None:
    """A URL is no right."""
    with pytest.raises(errors.NotLeased, match="is open"):
        fsspec.open("leases3://datasets/digits/x").open()


def test_after_the_block_the_file_system_is_dead(
    stack: DevStack, digits: Digits
) -> None:
    """Kept by somebody, it fails closed."""
    with lease("train-data") as data:
        fs = data.filesystem(use_listings_cache=False)
        fs.cat_file(f"datasets/{digits['train'][0]}")
    with pytest.raises(errors.NotLeased):
        fs.cat_file(f"datasets/{digits['train'][0]}")
    assert "s3" not in fsspec.config.conf


def test_plain_s3_is_given_back(
    stack: DevStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user's own settings are what they were."""
    monkeypatch.setitem(fsspec.config.conf, "s3", {"anon": True})
    with lease("train-data"):
        assert "session" in fsspec.config.conf["s3"]
        with lease("checkpoints"):
            pass
        assert "session" in fsspec.config.conf["s3"]
    assert fsspec.config.conf["s3"] == {"anon": True}


def test_credentials_and_leases_do_not_mix(stack: DevStack) -> None:
    """A key given to leases3 would silently win over the lease."""
    with lease("train-data") as data, pytest.raises(TypeError, match="key, secret"):
        data.filesystem(key="a", secret="b")


# -- no secret where libraries keep things -------------------------------------------


def test_no_secret_in_what_libraries_keep(stack: DevStack, digits: Digits) -> None:
    """storage_options, repr, pickle, JSON and the instance cache's tokens."""
    with lease("train-data") as data:
        fs = data.filesystem()
        fs.cat_file(f"datasets/{digits['train'][0]}")
        plain = fsspec.filesystem("s3")
        plain.cat_file(f"datasets/{digits['train'][0]}")
        kept = [
            repr(fs.storage_options),
            repr(data.storage_options),
            repr(plain.storage_options),
            repr(fs),
            fs.to_json(),
            json.dumps(fs.to_dict(include_password=True)),
            pickle.dumps(fs).decode("latin-1"),
            pickle.dumps(plain).decode("latin-1"),
            pickle.dumps(data).decode("latin-1"),
            repr(fsspec.config.conf),
            repr(type(fs)._cache),
            repr(data),
            f"{data}",
            repr(data.snapshot()),
        ]
        secrets = revealed(data.snapshot())
        assert all(len(secret) > 20 for secret in secrets)
        for text in kept:
            for secret in secrets:
                assert secret not in text
        again = fsspec.AbstractFileSystem.from_json(fs.to_json())
        assert again.cat_file(f"datasets/{digits['train'][0]}")


# -- refused early -------------------------------------------------------------------


def test_credentials_revoked_early_are_replaced_and_the_request_repeated(
    stack: DevStack, digits: Digits
) -> None:
    """The store no longer knows the key: one new lease, and the read succeeds."""
    configure(stack.manifest_path, clock=FakeClock(wall=None))  # so none falls due
    with lease("train-data") as data:
        fs = data.filesystem()
        fs.cat_file(f"datasets/{digits['train'][0]}")
        live = _current.session().held("train-data")
        # What an STS that was restarted with another key answers: InvalidAccessKeyId.
        from mlsecrets.credentials import AWSCredentials

        grant = live.snapshot()
        dead = AWSCredentials.of("ASIADEAD000000000000", "x" * 40, "y" * 100)
        live._held.grant = type(grant)(grant.terms, dead)
        assert fs.cat_file(f"datasets/{digits['train'][0]}")
        assert data.snapshot().terms.generation == 2
        events = _current.session().journal.events("rejected", scope="train-data")
        assert len(events) == 1


# -- ending --------------------------------------------------------------------------


def test_ended_sessions_are_refused_by_the_store(stack: DevStack) -> None:
    """Every generation, by the revoker; the report is no mere claim."""
    import boto3

    clock = FakeClock(wall=None)
    configure(stack.manifest_path, clock=clock)
    stolen = []
    with lease("train-data") as data:
        live = _current.session().held("train-data")
        for _ in range(2):
            grant = data.snapshot()
            stolen.append((grant.credentials.public["access_key_id"], *revealed(grant)))
            live.tend()
    fates = [end.outcome.fate for end in data.report.ended]
    assert fates == [Fate.REVOKED] * 3
    for key, secret, token in stolen:
        client = boto3.client(
            "s3",
            endpoint_url=stack.store.address,
            region_name="us-east-1",
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token,
        )
        with pytest.raises(ClientError) as caught:
            client.list_objects_v2(Bucket="datasets", Prefix="digits/")
        assert caught.value.response["Error"]["Code"] == "AccessDenied"
        client.close()


def test_without_a_revoker_nothing_is_called_revoked(
    stack: DevStack, edited: Edit
) -> None:
    """The session ends at its TTL, in so many seconds."""
    configure(edited(('revoker = "store"\n', "")))
    with lease("train-data") as data:
        pass
    (end,) = data.report.ended
    assert end.outcome.fate is Fate.ENDS_AT_TTL
    assert 5 < end.seconds_left <= 12
    assert "no revoker is named" in str(end)


def test_a_revoker_that_is_gone_is_admitted(
    stack: DevStack, edited: Edit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The block still ends, and the report says what was not done."""
    monkeypatch.setattr(_session, "FAREWELL", 1.0)  # seconds of trying to, not ten
    configure(edited((stack.revoker.address, "http://127.0.0.1:9")))
    with lease("train-data") as data:
        pass
    (end,) = data.report.ended
    assert end.outcome.fate is Fate.ENDS_AT_TTL
    assert "revoking failed" in end.outcome.reason


# -- HTTP ----------------------------------------------------------------------------


def test_a_bearer_goes_only_where_its_scope_says(stack: DevStack) -> None:
    """Any other address fails before anything is sent."""
    with lease("mlflow") as creds:
        with pytest.raises(errors.NotLeased, match="may not be sent to") as caught:
            requests.get("https://evil.example.org/x", auth=creds.auth(), timeout=5)
        assert "use https://evil.example.org" in (caught.value.remedy or "")


def test_a_store_lease_is_no_http_auth(stack: DevStack) -> None:
    """And a bearer is no file system."""
    with lease("train-data", "mlflow") as creds:
        with pytest.raises(errors.NotLeased, match="not for an object store"):
            creds["mlflow"].filesystem()
        with pytest.raises(errors.NotLeased):
            requests.get(
                "http://127.0.0.1:1/", auth=creds["train-data"].auth(), timeout=1
            )


def test_threads_share_one_lease(
    stack: DevStack, digits: Digits, tmp_path: Path
) -> None:
    """Sixteen readers, one issuer call."""
    configure(stack.manifest_path, journal=tmp_path / "journal.jsonl")
    wrong: list[BaseException] = []

    def read() -> None:
        try:
            with fsspec.open(f"leases3://datasets/{digits['train'][0]}") as file:
                assert file.read(4) == b"PAR1"
        except BaseException as error:
            wrong.append(error)

    with lease("train-data"):
        threads = [threading.Thread(target=read) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []
    lines = (tmp_path / "journal.jsonl").read_text().splitlines()
    issued = [json.loads(line) for line in lines]
    assert (
        sum(e["event"] == "issued" and e["scope"] == "train-data" for e in issued) == 1
    )
    assert (tmp_path / "journal.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_session_that_is_just_over_has_expired(stack: DevStack) -> None:
    """Its proof is refused: that is no failure to revoke, it is the end it had."""
    clock = FakeClock(wall=None)
    configure(stack.manifest_path, clock=clock)
    with lease("train-data") as data:
        data.snapshot()
        live = _current.session().held("train-data")
        # The store has ended it early, and our own count of its life has just run out.
        ending = live.issuer.retire(live.snapshot())
        first = live.issuer.end(ending, 5.0)
        assert first.fate is Fate.REVOKED
        assert ending.proof is not None
        ending.proof.write(0, b'{"headers": {}, "body": ""')
        assert live.issuer.end(ending, 5.0).fate is Fate.ENDS_AT_TTL
        clock.advance(10)
        assert live.issuer.end(ending, 5.0).fate is Fate.EXPIRED
        ending.close()
