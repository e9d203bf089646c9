"""Signed with the locked key, all works that works with botocore's own signer."""

from __future__ import annotations

import asyncio
import datetime
import io
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import boto3
import psutil
import pytest
import requests
import s3fs
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError

from mlsecrets import Lease, _current, configure, errors, lease
from mlsecrets.devstack import DevStack
from mlsecrets.exposure import Exposures
from mlsecrets.memory import SecretBuffer, count_copies
from mlsecrets.testing import FakeClock

Digits = dict[str, list[str]]
RUN = "run-signing"


def exposures(scope: str) -> Exposures:
    return _current.session().held(scope).exposures


def connections(stack: DevStack) -> int:
    """Of this process to the store."""
    port = urlsplit(stack.store.address).port
    return sum(
        1
        for one in psutil.Process().net_connections("tcp")
        if one.raddr and one.raddr.port == port and one.status == "ESTABLISHED"
    )


def client_of(held: Lease, **config: Any) -> Any:
    return held.boto3_session().client("s3", config=Config(**config))


# -- what there is to sign -----------------------------------------------------------


@pytest.fixture
def checkpoints(stack: DevStack) -> Iterator[Lease]:
    """A lease that may read and write."""
    with lease("checkpoints") as held:
        yield held


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"signature_version": "s3v4"},
        {"signature_version": "s3v4", "s3": {"addressing_style": "path"}},
        {"s3": {"payload_signing_enabled": False}},
        {"s3": {"payload_signing_enabled": True}},
        {"request_checksum_calculation": "when_required"},
    ],
    ids=str,
)
def test_every_kind_of_request(checkpoints: Lease, config: dict[str, Any]) -> None:
    """Put, get, head, list, copy, delete one and many, as the user's Config has it."""
    s3 = client_of(checkpoints, **config)
    where = {"Bucket": "checkpoints", "Key": f"{RUN}/a b+c~é.txt"}
    s3.put_object(**where, Body=b"content", Metadata={"from": "a test"})
    assert s3.head_object(**where)["Metadata"] == {"from": "a test"}
    answer = s3.get_object(**where, Range="bytes=0-3")
    assert answer["Body"].read() == b"cont"
    answer["Body"].close()
    listed = s3.list_objects_v2(Bucket="checkpoints", Prefix=f"{RUN}/")
    assert [item["Key"] for item in listed["Contents"]] == [where["Key"]]
    other = {"Bucket": "checkpoints", "Key": f"{RUN}/copy"}
    s3.copy_object(**other, CopySource=where)
    s3.delete_object(**where)
    s3.delete_objects(Bucket="checkpoints", Delete={"Objects": [{"Key": other["Key"]}]})
    with pytest.raises(ClientError) as caught:
        s3.head_object(**other)
    assert caught.value.response["Error"]["Code"] == "404"
    s3.close()
    assert exposures("checkpoints").in_use() is None


def test_uploads_in_parts(checkpoints: Lease) -> None:
    """Each part is signed for itself, on s3transfer's threads; a resource does, too."""
    content = bytes(range(256)) * 4096 * 11
    bucket = checkpoints.boto3_session().resource("s3").Bucket("checkpoints")
    settings = boto3.s3.transfer.TransferConfig(
        multipart_threshold=5 << 20, multipart_chunksize=5 << 20
    )
    bucket.upload_fileobj(io.BytesIO(content), f"{RUN}/big", Config=settings)
    target = io.BytesIO()
    bucket.download_fileobj(f"{RUN}/big", target, Config=settings)
    assert target.getvalue() == content
    bucket.Object(f"{RUN}/big").delete()
    bucket.meta.client.close()
    assert exposures("checkpoints").in_use() is None


def test_presigned_urls(checkpoints: Lease) -> None:
    """Anybody may use them, and nothing of it counts as under way."""
    s3 = client_of(checkpoints, signature_version="s3v4")
    where = {"Bucket": "checkpoints", "Key": f"{RUN}/presigned"}
    put = s3.generate_presigned_url("put_object", Params=where, ExpiresIn=60)
    get = s3.generate_presigned_url("get_object", Params=where)
    assert requests.put(put, data=b"from outside", timeout=10).status_code == 200
    assert requests.get(get, timeout=10).content == b"from outside"
    assert requests.put(get, data=b"no", timeout=10).status_code == 403
    assert exposures("checkpoints").in_use() is None
    s3.delete_object(**where)
    s3.close()


@pytest.fixture
def still(stack: DevStack) -> Iterator[Lease]:
    """The same, whose credentials no passing of time replaces."""
    configure(stack.manifest_path, clock=FakeClock(wall=None))
    with lease("checkpoints") as held:
        yield held


@pytest.mark.parametrize(
    ("version", "region"),
    [
        (None, "us-east-1"),
        (None, "elsewhere"),
        ("s3v4", "us-east-1"),
        ("s3", "elsewhere"),
    ],
)
def test_presigning_is_botocores(
    still: Lease, version: str | None, region: str
) -> None:
    """URLs and forms to the last character, whichever signature it takes by default.

    For forms, and for the older signature, SeaweedFS knows no sessions.
    """
    config = Config(signature_version=version) if version else None
    now = datetime.datetime.now(datetime.timezone.utc)
    where = {"Bucket": "checkpoints", "Key": f"{RUN}/a b.txt"}
    given = []
    for session in (still.boto3_session(), stock_session(still)):
        s3 = session.client(
            "s3",
            endpoint_url="https://s3.example.org",
            config=config,
            region_name=region,
        )
        with (
            patch("botocore.auth.get_current_datetime", lambda: now),
            patch("botocore.signers.get_current_datetime", lambda: now),
            patch("botocore.auth.time.time", now.timestamp),
        ):
            given.append(
                (
                    s3.generate_presigned_url("get_object", Params=where),
                    s3.generate_presigned_post(**where),
                )
            )
        s3.close()
    assert given[0] == given[1]
    assert "ignature=" in given[0][0]
    assert exposures("checkpoints").in_use() is None


def stock_session(held: Lease) -> Any:
    """boto3's own, with the lease's values of the moment."""
    credentials = held.snapshot().credentials
    return boto3.Session(
        aws_access_key_id=credentials.public["access_key_id"],
        aws_secret_access_key=credentials.reveal("secret_access_key"),
        aws_session_token=credentials.reveal("session_token"),
    )


def test_unsigned_stays_unsigned(stack: DevStack, digits: Digits) -> None:
    """The user's Config says so, and the store says no."""
    with lease("train-data") as data:
        s3 = client_of(data, signature_version=UNSIGNED)
        with pytest.raises(ClientError) as caught:
            s3.get_object(Bucket="datasets", Key=digits["train"][0])
        assert caught.value.response["Error"]["Code"] == "AccessDenied"
        s3.close()
        assert data.exposure == ()


def test_a_directory_bucket_is_refused_in_words(stack: DevStack) -> None:
    """S3 Express signs with a key of its own, which botocore would hold as a string."""
    with lease("train-data") as data:
        s3 = client_of(data)
        with pytest.raises(errors.NotLeased, match="signed as v4-s3express"):
            s3.get_object(Bucket="any--use1-az4--x-s3", Key="x")
        s3.close()
        assert exposures("train-data").in_use() is None


def test_async_clients_presign_and_write_in_parts(checkpoints: Lease) -> None:
    """s3fs, on its own loop."""
    fs = checkpoints.filesystem(config_kwargs={"signature_version": "s3v4"})
    content = bytes(6 << 20)
    with fs.open(f"checkpoints/{RUN}/parts", "wb", block_size=5 << 20) as file:
        file.write(content)
    url = fs.sign(f"checkpoints/{RUN}/parts", expiration=60)
    assert requests.get(url, timeout=10).content == content
    fs.cp_file(f"checkpoints/{RUN}/parts", f"checkpoints/{RUN}/copied")
    assert fs.size(f"checkpoints/{RUN}/copied") == len(content)
    fs.rm([f"checkpoints/{RUN}/parts", f"checkpoints/{RUN}/copied"])
    assert exposures("checkpoints").in_use() is None


# -- what is left of the key ---------------------------------------------------------


def copies_of(held: Lease, field: str) -> int:
    """Full copies in this process, outside of locked memory."""
    with held.snapshot().credentials.sealed(field).reading() as view:
        needle = SecretBuffer.of(view)
    with needle:
        found = count_copies([needle])
    assert found.skipped is None
    assert found.unsearched_slots == 0
    return found.copies


@pytest.mark.skipif(sys.platform != "linux", reason="memory is searched on Linux only")
def test_no_copy_of_the_key(stack: DevStack, digits: Digits) -> None:
    """Neither while it is read with nor afterwards; stock botocore leaves some."""
    # Its own clock stands still: one key for each block.
    configure(stack.manifest_path, clock=FakeClock(wall=None))
    key = digits["train"][0]

    def read(client: Any) -> None:
        for _ in range(20):
            body = client.get_object(Bucket="datasets", Key=key)["Body"]
            assert body.read()[:4] == b"PAR1"
            body.close()

    with lease("train-data") as data:
        stock = stock_session(data).client(
            "s3", endpoint_url=stack.store.address, region_name="us-east-1"
        )
        read(stock)
        assert copies_of(data, "secret_access_key") >= 1
        stock.close()
    with lease("train-data") as data:
        client, fs = client_of(data), data.filesystem(skip_instance_cache=True)
        read(client)
        for _ in range(20):
            assert fs.cat_file(f"datasets/{key}")[:4] == b"PAR1"
        assert copies_of(data, "secret_access_key") == 0
        client.close()
        del client, fs
        assert copies_of(data, "secret_access_key") == 0
        assert [str(seen) for seen in data.exposure if seen.reader != "python"] == [
            "secret_access_key signed with (botocore)",
            "session_token revealed (botocore)",
            "secret_access_key signed with (s3fs)",
            "session_token revealed (s3fs)",
        ]
        assert data.snapshot().terms.generation == 1


# -- under way -----------------------------------------------------------------------


def test_a_request_counts_while_it_is_sent(stack: DevStack, digits: Digits) -> None:
    """From its signature to its answer, whatever that is."""
    seen: list[str | None] = []
    with lease("train-data") as data:
        known = exposures("train-data")
        s3 = client_of(data)
        s3.meta.events.register(
            "before-send.s3", lambda **_: seen.append(known.in_use())
        )
        s3.list_objects_v2(Bucket="datasets", Prefix="digits/")
        assert known.in_use() is None
        with pytest.raises(ClientError):
            s3.get_object(Bucket="datasets", Key="digits/absent")
        assert known.in_use() is None
        with pytest.raises(ClientError):
            s3.get_object(Bucket="other", Key="x")
        assert known.in_use() is None
        s3.close()
    assert seen == ["1 request(s) under way"] * 3


def test_retries_and_lost_connections_are_over(
    stack: DevStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing listens there; botocore tries three times."""
    attempts = []
    with lease("train-data") as data:
        s3 = data.boto3_session().client(
            "s3",
            endpoint_url="http://127.0.0.1:9",
            config=Config(retries={"mode": "standard", "total_max_attempts": 3}),
        )
        monkeypatch.setattr("botocore.retries.standard.RetryHandler.__call__", _again)
        s3.meta.events.register("before-send.s3", lambda **_: attempts.append(1))
        with pytest.raises(EndpointConnectionError):
            s3.get_object(Bucket="datasets", Key="digits/x")
        assert len(attempts) == 3
        assert exposures("train-data").in_use() is None


def _again(self: Any, *, attempts: int, **_: Any) -> float | None:
    """At once, where the original backs off for seconds."""
    return 0.0 if attempts < 3 else None


def test_many_threads_leave_nothing_under_way(stack: DevStack, digits: Digits) -> None:
    """Some of their answers are errors."""
    with lease("train-data") as data:
        s3 = client_of(data, max_pool_connections=8)

        def read(key: str) -> None:
            for _ in range(10):
                try:
                    s3.get_object(Bucket="datasets", Key=key)["Body"].close()
                except ClientError:
                    assert key == "digits/absent"

        keys = [*digits["train"][:4], *["digits/absent"] * 4]
        threads = [threading.Thread(target=read, args=(key,)) for key in keys]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert exposures("train-data").in_use() is None
        s3.close()


def test_cancelled_reads_leave_nothing_under_way(
    stack: DevStack, digits: Digits
) -> None:
    """At whatever point of a request they are given up."""

    async def main(data: Lease) -> None:
        fs = data.filesystem(asynchronous=True, skip_instance_cache=True)
        session = await fs.set_session()
        path = f"datasets/{digits['train'][0]}"
        await fs._cat_file(path)
        for turns in range(30):
            task = asyncio.create_task(fs._cat_file(path))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert exposures("train-data").in_use() is None
        await session.close()

    with lease("train-data") as data:
        asyncio.run(main(data))


# -- closing -------------------------------------------------------------------------


def test_clients_are_closed_with_their_lease(stack: DevStack, digits: Digits) -> None:
    """No connection to the store is left, although all of them are still known."""
    before = connections(stack)
    with lease("train-data") as data:
        s3 = client_of(data)
        s3.list_objects_v2(Bucket="datasets", Prefix="digits/")
        fs = data.filesystem()
        plain = s3fs.S3FileSystem(skip_instance_cache=True)
        for reader in (fs, plain):
            reader.cat_file(f"datasets/{digits['train'][0]}")
        assert connections(stack) >= before + 3
    assert connections(stack) <= before
    with pytest.raises(errors.LeaseError):
        s3.list_objects_v2(Bucket="datasets", Prefix="digits/")
    with pytest.raises(errors.LeaseError):
        fs.cat_file(f"datasets/{digits['train'][0]}")


def test_a_reader_of_two_leases_goes_on_with_the_other(
    stack: DevStack, digits: Digits
) -> None:
    """A file system that was made for both, and one whose own lease has ended."""
    path = f"datasets/{digits['train'][0]}"
    with lease("train-data"):
        with lease("checkpoints"):
            both = s3fs.S3FileSystem(skip_instance_cache=True)
            other = s3fs.S3FileSystem(skip_instance_cache=True)
            for fs in (both, other):
                fs.pipe_file(f"checkpoints/{RUN}/x", b"x")
            content = both.cat_file(path)
            both.rm(f"checkpoints/{RUN}/x")
        assert both.cat_file(path) == content
        assert other.cat_file(path) == content


def test_on_a_loop_of_ones_own(stack: DevStack, digits: Digits) -> None:
    """The block ends at once; the client is closed when the loop goes on."""
    before = connections(stack)

    async def main() -> None:
        async with lease("train-data") as data:
            fs = data.filesystem(asynchronous=True, skip_instance_cache=True)
            await fs.set_session()
            await fs._cat_file(f"datasets/{digits['train'][0]}")
        while connections(stack) > before:  # noqa: ASYNC110  closed by a task
            await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(main(), 20))


AT_EXIT = """
import sys, fsspec, mlsecrets
mlsecrets.configure(sys.argv[1])
data = mlsecrets.hold("train-data")
s3 = data.boto3_session().client("s3")
s3.list_objects_v2(Bucket="datasets", Prefix="digits/")
fs = fsspec.filesystem("leases3")
assert fs.cat_file(sys.argv[2])[:4] == b"PAR1"
"""


def test_the_interpreter_exits_in_peace(stack: DevStack, digits: Digits) -> None:
    """With clients and file systems still there: no warning, no traceback, no wait."""
    done = subprocess.run(
        [
            *(sys.executable, "-W", "error", "-c", AT_EXIT),
            *(str(stack.manifest_path), f"datasets/{digits['train'][0]}"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
