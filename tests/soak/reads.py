"""One read each, as jobs do them: S3 by boto3, by fsspec and by URL; HTTP by lease."""

from __future__ import annotations

import base64
import random
from typing import Any, ClassVar

import botocore.exceptions
import fsspec
import requests

from mlsecrets import Lease
from mlsecrets.grant import Grant

from .content import BUCKET, KEYS, content

#: Seconds for one HTTP request at the resource, which nothing disturbs.
TIMEOUT = 20.0


class Refused(Exception):
    """The server does not accept the credentials that the lease gave."""


class WrongContent(Exception):
    """What came is not what was written there."""


class Read:
    """Something to read with a lease.

    Attributes:
        kind: how, for the report.
        tries: how often it may be refused early and still succeed. One retry has to be
            enough; S3 clients do not say which generation signed, so the first may have
            been spent on the one before.
        retries_itself: whether it has the refused credentials replaced by itself.
    """

    kind: ClassVar[str]
    tries: ClassVar[int] = 2
    retries_itself: ClassVar[bool] = False

    def __init__(self, lease: Lease, seed: int) -> None:
        self.lease = lease
        self.random = random.Random(seed)

    def at_hand(self) -> Grant | None:
        """The credentials that can be had without waiting."""
        return self.lease._source().peek()

    def signed_by(self, before: Grant | None) -> int:
        """The generation that a refused read was most likely signed by.

        Args:
            before: what was at hand before it.
        """
        return before.terms.generation if before is not None else 0

    def once(self) -> None:
        """Read something, and compare it.

        Raises:
            Refused: the server does not accept the credentials.
            WrongContent: it gives something else.
        """
        key = self.random.choice(KEYS)
        if self.get(key) != content(key):
            raise WrongContent(f"of {key}")

    def get(self, key: str) -> bytes:
        """What is stored under a key."""
        raise NotImplementedError


class ByBoto3(Read):
    kind = "s3-boto3"
    tries = 3

    def __init__(self, lease: Lease, seed: int) -> None:
        super().__init__(lease, seed)
        self._client = lease.boto3_session().client("s3")

    def get(self, key: str) -> bytes:
        try:
            answer = self._client.get_object(Bucket=BUCKET, Key=key)
            return bytes(answer["Body"].read())
        except botocore.exceptions.ClientError as error:
            raise Refused(error.response["Error"]["Code"]) from error


class ByFilesystem(Read):
    kind = "s3-fsspec"
    tries = 3

    def __init__(self, lease: Lease, seed: int) -> None:
        super().__init__(lease, seed)
        self._fs = lease.filesystem(skip_instance_cache=True)

    def get(self, key: str) -> bytes:
        try:
            return bytes(self._fs.cat_file(f"{BUCKET}/{key}"))
        except PermissionError as error:
            raise Refused("AccessDenied") from error


class ByURL(Read):
    kind = "s3-url"
    tries = 3

    def get(self, key: str) -> bytes:
        try:
            with fsspec.open(f"leases3://{BUCKET}/{key}") as file:
                return bytes(file.read())
        except PermissionError as error:
            raise Refused("AccessDenied") from error


class _OverHTTP(Read):
    def __init__(self, lease: Lease, seed: int, url: str) -> None:
        super().__init__(lease, seed)
        self._url = url
        self._session = requests.Session()
        self._session.trust_env = False

    def get(self, key: str) -> bytes:
        answer = self._session.get(
            f"{self._url}/{key}", timeout=TIMEOUT, **self.signed()
        )
        if answer.status_code == 401:
            raise Refused("401")
        answer.raise_for_status()
        return answer.content

    def signed(self) -> dict[str, Any]:
        raise NotImplementedError


class ByAuth(_OverHTTP):
    kind = "http-auth"
    tries = 1
    retries_itself = True

    def signed(self) -> dict[str, Any]:
        return {"auth": self.lease.auth()}


class BySnapshot(_OverHTTP):
    kind = "http-snapshot"
    _generation = 0

    def signed(self) -> dict[str, Any]:
        grant = self.lease.snapshot()
        self._generation = grant.terms.generation
        return {"headers": {"Authorization": _authorization(grant)}}

    def signed_by(self, before: Grant | None) -> int:
        return self._generation


def _authorization(grant: Grant) -> str:
    credentials = grant.credentials
    if credentials.KIND == "bearer":
        return f"Bearer {credentials.reveal('token')}"
    pair = f"{credentials.public['username']}:{credentials.reveal('password')}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"
