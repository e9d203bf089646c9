"""Clients as they are used today, with the renewal they bring along."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..world import CONTENT, EXPERIMENT, KEY, WHOAMI, Place

Pause = Callable[..., None]


def hvac(place: Place, pause: Pause) -> None:
    """A login by AppRole, and a value of the KV store."""
    import hvac

    client = hvac.Client(url=place.bao, verify=place.ca_file or True)
    client.auth.approle.login(
        role_id=Path(place.role_id_file).read_text(),
        secret_id=Path(place.secret_id_file).read_text(),
    )
    answer = client.secrets.kv.v2.read_secret_version(
        "hf", raise_on_deleted_version=False
    )
    value = answer["data"]["data"]["hf_token"]
    if not value:
        raise RuntimeError("OpenBao gave no value")
    pause()
    client.adapter.close()


def boto3(place: Place, pause: Pause) -> None:
    """The default chain: a role by web identity, refreshed by botocore."""
    import boto3

    session = boto3.session.Session()
    client = session.client("s3")
    read = client.get_object(Bucket="datasets", Key=KEY)["Body"].read()
    check(read)
    pause()
    client.close()


def s3fs(place: Place, pause: Pause) -> None:
    """The default chain again, on s3fs."""
    import fsspec.asyn
    import s3fs

    fs = s3fs.S3FileSystem(skip_instance_cache=True)
    check(fs.cat_file(f"datasets/{KEY}"))
    pause()
    s3fs.S3FileSystem.close_session(fs.loop, fs._s3)  # noqa: SLF001  it has no other
    fsspec.asyn.reset_lock()


def obstore(place: Place, pause: Pause) -> None:
    """The provider that obstore brings, on a boto3 session."""
    import boto3
    from obstore.auth.boto3 import Boto3CredentialProvider
    from obstore.store import S3Store

    provider = Boto3CredentialProvider(boto3.session.Session())
    store = S3Store(
        "datasets",
        endpoint=place.store,
        region="us-east-1",
        virtual_hosted_style_request=False,
        client_options=rust_options(place),
        credential_provider=provider,
    )
    check(bytes(store.get(KEY).bytes()))
    pause()


def requests_environment(place: Place, pause: Pause) -> None:
    """A bearer token from an inherited variable, on a session."""
    import requests

    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {os.environ['API_TOKEN']}"
        answer = session.get(place.mlflow + WHOAMI, timeout=30)
        answer.raise_for_status()
        pause()
    del os.environ["API_TOKEN"]


def mlflow(place: Place, pause: Pause) -> None:
    """``MLFLOW_TRACKING_TOKEN``, inherited."""
    log_something()
    pause()
    del os.environ["MLFLOW_TRACKING_TOKEN"]


def check(content: bytes) -> None:
    """The store really gave it."""
    if content != CONTENT:
        raise RuntimeError("the store gave something else")


def log_something() -> None:
    """A run with a parameter and a metric."""
    import mlflow

    mlflow.set_experiment(EXPERIMENT)
    with mlflow.start_run():
        mlflow.log_param("learning_rate", 0.1)
        mlflow.log_metric("loss", 0.5)


def rust_options(place: Place) -> Any:  # obstore's ClientConfig
    """What obstore trusts is a list of its own, to which nothing can be added."""
    return (
        {"allow_invalid_certificates": True} if place.ca_file else {"allow_http": True}
    )
