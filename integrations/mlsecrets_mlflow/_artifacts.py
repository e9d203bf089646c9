"""MLflow artifacts in an S3 store: each request signed by a lease, as it is sent."""

from __future__ import annotations

from typing import Any

from botocore.config import Config
from mlflow.environment_variables import MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE
from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository

from mlsecrets.storage.boto3 import LeaseBoto3Session


class LeaseS3ArtifactRepository(S3ArtifactRepository):
    """Artifacts at ``leases3://bucket/path``.

    MLflow's own repository keeps a client, and the credentials in it, for up to 300
    seconds. This one's client has none: the lease that covers the key signs each
    request, each part of a large upload too, at the store that the lease is for. So
    ``MLFLOW_S3_ENDPOINT_URL`` and the ``AWS_…`` variables mean nothing here.

    For clients that write to the store themselves. Where MLflow's server does it for
    them (``mlflow-artifacts:``), they need no credentials for the store at all.
    """

    def parse_s3_compliant_uri(self, uri: str) -> tuple[str, str]:
        """Bucket and path."""
        bucket, _, path = uri.removeprefix("leases3://").partition("/")
        return bucket, path

    def _get_s3_client(self) -> Any:
        # Not public, but the one place where MLflow gets its client from (all of
        # s3_artifact_repo.py at 3.17); a test fails should that ever change.
        # No cached_property: up to Python 3.11 that has a lock, which a forked child
        # may inherit held. Two threads may both make one.
        if self._lease_client is None:
            self._lease_client = self._made()
        return self._lease_client

    _lease_client: Any = None

    def _made(self) -> Any:
        style = MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE.get()
        # "s3v4" as MLflow has it: botocore's default for presigned URLs is older.
        config = Config(signature_version="s3v4", s3={"addressing_style": style})
        return LeaseBoto3Session().client("s3", config=config)
