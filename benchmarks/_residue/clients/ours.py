"""The same clients on leases: two generations each, the second in use."""

from __future__ import annotations

from mlsecrets import Lease, lease

from ..world import KEY, Place
from .peers import Pause, check, log_something, rust_options, whoami


def http(place: Place, pause: Pause) -> None:
    """A session that writes the bearer into each request as it is sent."""
    with lease("mlflow") as creds, creds.http_session() as session:
        for generation in (1, 2):
            session.get(whoami(place), timeout=30).raise_for_status()
            _next(creds, generation)
        pause()


def hvac(place: Place, pause: Pause) -> None:
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


def mlflow(place: Place, pause: Pause) -> None:
    """The block around a program's tracking."""
    from mlsecrets_mlflow import tracking

    with tracking(place.mlflow) as creds:
        for generation in (1, 2):
            log_something()
            _next(creds, generation)
        pause()


def boto3(place: Place, pause: Pause) -> None:
    """Signed in locked memory."""
    with lease("train-data") as creds:
        client = creds.boto3_session().client("s3")
        for generation in (1, 2):
            check(client.get_object(Bucket="datasets", Key=KEY)["Body"].read())
            _next(creds, generation)
        pause()
        client.close()
        del client


def s3fs(place: Place, pause: Pause) -> None:
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


def obstore(place: Place, pause: Pause) -> None:
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


def environment(place: Place, pause: Pause) -> None:
    """Variables, for what looks nowhere else."""
    import boto3

    with lease("train-data") as creds:
        with creds.environ():
            client = boto3.session.Session().client("s3")
            check(client.get_object(Bucket="datasets", Key=KEY)["Body"].read())
            pause()
            client.close()
        del client


def _next(creds: Lease, generation: int) -> None:
    """Replace the first generation, as a renewal would."""
    if generation == 1:
        creds.reject(generation)
