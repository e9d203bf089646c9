"""obstore: an S3 store with a credential provider, as its users write one.

Its clock is in Rust and cannot be moved. After each move of time a fresh store is made,
whose provider first hands out the credential that the last store held, with as many
real seconds to live as it has on the experiment's clock.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from mlsecrets.testing import FakeClock

from ..issuer import CountingIssuer, Minted

if TYPE_CHECKING:
    from obstore.store import S3Credential

#: Seconds for which a store keeps what it has just fetched, whatever its life
#: (``fetch_backoff``, object_store ``client/token.rs``: 100 ms).
FETCH_BACKOFF = 0.11


class ObstoreClient:
    """An `S3Store`; signing a URL reads its credential as a request does."""

    #: Its threshold is fixed: 5 minutes.
    due = 299.0
    pace = 0.02
    background = False
    refusal = "store"

    def __init__(self, issuer: CountingIssuer) -> None:
        self._issuer = issuer
        self._held: Minted | None = None
        self._replay = False
        self._address = "http://127.0.0.1:1"
        self._store = self._made()

    def read(self) -> str:
        """The key id in a signature."""
        signed = obstore.sign(self._store, "GET", "key", datetime.timedelta(seconds=60))
        (credential,) = parse_qs(urlsplit(signed).query)["X-Amz-Credential"]
        return credential.split("/")[0]

    def moved(self) -> None:
        """A fresh store that holds the same credential, with what life it has left."""
        if self._held is None:
            return
        self._store = self._made()
        self._replay = True
        self.read()
        time.sleep(FETCH_BACKOFF)

    def requester(self, address: str) -> Callable[[], bool]:
        """GET by one shared store, whose retries are left as they are."""
        self._address = address
        self._store = self._made()

        def send() -> bool:
            try:
                obstore.get(self._store, "key").bytes()
            except (BaseError, OSError):
                return False
            return True

        return send

    def _made(self) -> S3Store:
        return S3Store(
            "bucket",
            endpoint=self._address,
            region="us-east-1",
            credential_provider=self._provide,
            client_options={"allow_http": True},
        )

    def _provide(self) -> S3Credential:
        if self._replay and self._held is not None:
            self._replay = False
        else:
            self._held = self._issuer.mint()
        left = self._issuer.remaining(self._held.id)
        now = datetime.datetime.now(datetime.timezone.utc)
        return {
            "access_key_id": self._held.id,
            "secret_access_key": "s" * 40,
            "token": "t" * 100,
            "expires_at": now + datetime.timedelta(seconds=left),
        }


@contextmanager
def obstore_client(issuer: CountingIssuer, clock: FakeClock) -> Iterator[ObstoreClient]:
    """Nothing to set up or to take down."""
    yield ObstoreClient(issuer)
