"""botocore: the refreshable credentials that every assumed role gives its users."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.credentials import DeferredRefreshableCredentials
from botocore.exceptions import ClientError, ConnectionClosedError

from mlsecrets.testing import FakeClock

from ..issuer import CountingIssuer, IssuerDown


class BotocoreClient:
    """`DeferredRefreshableCredentials`, which botocore's own providers return."""

    #: Its advisory window is fixed: 15 minutes.
    due = 899.0
    pace = 0.0
    background = False
    refusal = "store"

    def __init__(self, issuer: CountingIssuer, clock: FakeClock) -> None:
        self._issuer = issuer
        self._clock = clock
        self._credentials = DeferredRefreshableCredentials(
            refresh_using=self._refresh,
            method="sts-assume-role",
            time_fetcher=self._now,
        )

    def read(self) -> str:
        """What a signer takes."""
        frozen = self._credentials.get_frozen_credentials()
        return str(frozen.access_key)

    def moved(self) -> None:
        """It reads time through a function that we gave it."""

    def requester(self, address: str) -> Callable[[], bool]:
        """GetObject by one shared S3 client, whose retries are left as they are."""
        session = botocore.session.Session()
        # Where a session keeps what its providers found.
        session._credentials = self._credentials  # noqa: SLF001
        s3 = session.create_client(
            "s3",
            region_name="us-east-1",
            endpoint_url=address,
            config=Config(
                max_pool_connections=32, proxies={}, s3={"addressing_style": "path"}
            ),
        )

        def send() -> bool:
            try:
                s3.get_object(Bucket="bucket", Key="key")["Body"].read()
            except ClientError:
                return False
            return True

        return send

    def _refresh(self) -> dict[str, Any]:
        try:
            fresh = self._issuer.mint()
        except IssuerDown as error:
            raise ConnectionClosedError(endpoint_url="sts") from error
        end = datetime.datetime.fromtimestamp(fresh.expires_at, datetime.timezone.utc)
        return {
            "access_key": fresh.id,
            "secret_key": "s" * 40,
            "token": "t" * 100,
            "expiry_time": end.isoformat(),
        }

    def _now(self) -> datetime.datetime:
        return datetime.datetime.fromtimestamp(
            self._clock.wall(), datetime.timezone.utc
        )


@contextmanager
def botocore_client(
    issuer: CountingIssuer, clock: FakeClock
) -> Iterator[BotocoreClient]:
    """Nothing to set up or to take down."""
    yield BotocoreClient(issuer, clock)
