"""The same clients on leases: two generations each, the second in use."""

from __future__ import annotations

from typing import Any

from mlsecrets import Lease, lease

from ..world import KEY, WHOAMI, Place
from .peers import Pause, check, log_something, rust_options

#: A lease's own report on what became of its secrets in memory.
Told = dict[str, Any]


def http(place: Place, pause: Pause) -> Told:
    """A session that writes the bearer into each request as it is sent."""
    with lease("mlflow") as creds, creds.http_session() as session:
        for generation in (1, 2):
            session.get(place.mlflow + WHOAMI, timeout=30).raise_for_status()
            _next(creds, generation)
        pause()
    return _told(creds)


def hvac(place: Place, pause: Pause) -> Told:
    """The client of somebody else on such a session."""
    import hvac

    with lease("vault") as creds, creds.http_session() as session:
        client = hvac.Client(
            url=place.bao,
            token=creds.placeholder(),
            session=session,
            verify=place.ca_file or True,
        )
        answer = client.sys.get_capabilities(["secret/data/hf"])
        if answer["capabilities"] != ["read"]:
            raise RuntimeError("OpenBao does not know the token")
        pause()
        client.adapter.close()
    return _told(creds)


def mlflow(place: Place, pause: Pause) -> Told:
    """The block around a program's tracking."""
    from mlsecrets_mlflow import tracking

    with tracking(place.mlflow) as creds:
        for generation in (1, 2):
            log_something()
            _next(creds, generation)
        pause()
    return _told(creds)


def boto3(place: Place, pause: Pause) -> Told:
    """Signed in locked memory."""
    with lease("train-data") as creds:
        client = creds.boto3_session().client("s3")
        for generation in (1, 2):
            check(client.get_object(Bucket="datasets", Key=KEY)["Body"].read())
            _next(creds, generation)
        pause()
        client.close()
        del client
    return _told(creds)


def s3fs(place: Place, pause: Pause) -> Told:
    """The file system of a lease, and a plain URL."""
    import fsspec

    with lease("train-data") as creds:
        fs = creds.filesystem()
        for generation in (1, 2):
            check(fs.cat_file(f"datasets/{KEY}"))
            with fsspec.open(f"leases3://datasets/{KEY}") as file:
                check(file.read())
            _next(creds, generation)
        pause()
        del fs, file
    return _told(creds)


def obstore(place: Place, pause: Pause) -> Told:
    """Signs by itself, so it is shown the key."""
    from obstore.store import S3Store

    with lease("train-data") as creds:
        store = S3Store(
            "datasets",
            endpoint=place.store,
            region="us-east-1",
            virtual_hosted_style_request=False,
            client_options=rust_options(place),
            credential_provider=creds.obstore_provider(),
        )
        check(bytes(store.get(KEY).bytes()))
        pause()
        del store
    return _told(creds)


def environment(place: Place, pause: Pause) -> Told:
    """Variables, for what looks nowhere else."""
    import boto3

    with lease("train-data") as creds:
        with creds.environ():
            client = boto3.session.Session().client("s3")
            check(client.get_object(Bucket="datasets", Key=KEY)["Body"].read())
            pause()
            client.close()
        del client
    return _told(creds)


def _told(creds: Lease) -> Told:
    return creds.shred_report.figures()


def _next(creds: Lease, generation: int) -> None:
    """Replace the first generation, as a renewal would."""
    if generation == 1:
        creds.reject(generation)
