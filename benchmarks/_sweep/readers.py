"""Readers that insist on strings: each is used once, closed, and given up."""

from __future__ import annotations

import gc
from collections.abc import Callable

from mlsecrets.memory import Sealed

from .secrets import digest

Reader = Callable[[str, Sealed, Sealed], str]
_KEY_ID = "AKIAIOSFODNN7EXAMPLE"  # AWS's own example


def hvac(server: str, key: Sealed, token: Sealed) -> str:
    """A value of the KV store, written and read; the token in a header."""
    import hvac

    client = hvac.Client(url=server, token=token.text())
    client.secrets.kv.v2.create_or_update_secret("a", {"key": key.text()})
    answer = client.secrets.kv.v2.read_secret_version(
        "a", raise_on_deleted_version=False
    )
    client.adapter.close()
    return str(answer["data"]["data"]["digest"])


def boto3(server: str, key: Sealed, token: Sealed) -> str:
    """An object."""
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=server,
        region_name="us-east-1",
        aws_access_key_id=_KEY_ID,
        aws_secret_access_key=key.text(),
        aws_session_token=token.text(),
    )
    content = client.get_object(Bucket="bucket", Key="key")["Body"].read()
    client.close()
    return str(content.decode())


def s3fs(server: str, key: Sealed, token: Sealed) -> str:
    """An object, by way of fsspec's own thread."""
    import s3fs

    files = s3fs.S3FileSystem(
        key=_KEY_ID,
        secret=key.text(),
        token=token.text(),
        endpoint_url=server,
        client_kwargs={"region_name": "us-east-1"},
        skip_instance_cache=True,
    )
    content = files.cat_file("bucket/key")
    s3fs.S3FileSystem.close_session(files.loop, files._s3)  # noqa: SLF001  no other way
    return str(content.decode())


def obstore(server: str, key: Sealed, token: Sealed) -> str:
    """An object, by way of native threads."""
    from obstore.store import S3Store

    store = S3Store(
        "bucket",
        endpoint=server,
        region="us-east-1",
        access_key_id=_KEY_ID,
        secret_access_key=key.text(),
        session_token=token.text(),
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )
    return bytes(store.get("key").bytes()).decode()


READERS: dict[str, Reader] = {
    reader.__name__: reader for reader in (hvac, boto3, s3fs, obstore)
}


def use(name: str, server: str, key: Sealed, token: Sealed) -> None:
    """Let a reader use the secrets, and make sure that it did.

    Raises:
        RuntimeError: the server was shown something else.
    """
    if READERS[name](server, key, token) != digest(token):
        raise RuntimeError(f"{name} did not send its token")
    gc.collect()
