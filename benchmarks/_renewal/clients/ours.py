"""mlsecrets, by its front door: a manifest, a kind of issuer of our own, a block.

The kind comes by the same door as anybody else's, an entry point, which here belongs to
a distribution that consists of nothing else and is made for the occasion.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, ClassVar

import requests
from requests.adapters import HTTPAdapter

import mlsecrets
from mlsecrets.credentials import AWSCredentials, BearerToken
from mlsecrets.errors import IssuerUnreachable
from mlsecrets.grant import Ending, Fate, Grant, Outcome, Terms
from mlsecrets.issuer import Context, Limits
from mlsecrets.keys import Key
from mlsecrets.scope import Scope
from mlsecrets.testing import FakeClock

from ..issuer import CountingIssuer, IssuerDown

_DISTRIBUTION = "mlsecrets_renewal_benchmark-0.dist-info"
_ENTRY_POINTS = f"""\
[mlsecrets.issuers]
counted = {__name__}:CountedIssuer
"""
_MANIFEST = """\
api = "mlsecrets/v1"
name = "benchmark"
version = "1.0.0"

[issuers.counted]
kind = "counted"
endpoint = "{address}"

[scopes.store]
owner = "benchmarks@example.org"
version = "1.0.0"
issuer = "counted"
ttl = "1h"
max_ttl = "24h"
access = ["read s3://bucket/*"]

[scopes.site]
owner = "benchmarks@example.org"
version = "1.0.0"
issuer = "counted"
ttl = "1h"
max_ttl = "24h"
access = ["use {address}"]
"""
#: The two scopes: keys for requests that are signed, and a bearer token.
STORE, SITE = "store", "site"


class CountedIssuer:
    """Mints by the counting issuer: keys for the store, bearer tokens for the site."""

    login = None
    KEYS: ClassVar[Mapping[str, Key]] = {"endpoint": Key("url", required=True)}
    SCOPE_KEYS: ClassVar[Mapping[str, Key]] = {}
    VERBS: ClassVar[frozenset[str]] = frozenset({"read", "use"})
    #: Whom to ask; set for each run.
    behind: ClassVar[CountingIssuer]

    def __init__(self, name: str, values: Mapping[str, Any], context: Context) -> None:
        self._endpoint = values["endpoint"]
        self._clock = context.clock

    def limits(self, scope: Scope) -> Limits:
        """It replaces, and revokes nothing, as an STS."""
        return Limits(renews=False, revokes=False, note="counts")

    def connection(self, scope: Scope) -> Mapping[str, str]:
        """Where the store is."""
        if scope.name != STORE:
            return {}
        return {"endpoint_url": self._endpoint, "region_name": "us-east-1"}

    def issue(self, scope: Scope, timeout: float) -> Grant:
        """A new credential."""
        asked = self._clock.monotonic()
        try:
            fresh = self.behind.mint()
        except IssuerDown as error:
            raise IssuerUnreachable("issuer counted cannot be reached") from error
        terms = Terms(
            scope=scope.name,
            lease_id=fresh.id,
            issued_at=self._clock.wall(),
            lifetime=fresh.lifetime,
            deadline=asked + fresh.lifetime,
        )
        if scope.name == SITE:
            return Grant(terms, BearerToken.of(fresh.id))
        return Grant(terms, AWSCredentials.of(fresh.id, "s" * 40, "t" * 100))

    def renew(self, scope: Scope, grant: Grant, timeout: float) -> Terms:
        """Never asked for, since nothing that it mints is renewable."""
        raise NotImplementedError

    def retire(self, grant: Grant) -> Ending:
        """Its id."""
        return Ending(grant.terms)

    def end(self, ending: Ending, timeout: float) -> Outcome:
        """It ends at its TTL."""
        return Outcome(Fate.ENDS_AT_TTL, "it counts only")

    def close(self) -> None:
        """Nothing is open."""


class LeaseClient:
    """An open lease."""

    #: Its window is 15 minutes of an hour, less up to 30 % of jitter.
    due = 629.0
    pace = 0.0
    background = True
    refusal = "token"

    def __init__(self, folder: Path, clock: FakeClock, **options: Any) -> None:
        self._folder = folder
        self._clock = clock
        self._options = options
        self._block: Any = None
        self._held: Any = None

    def open(self, scope: str, address: str = "http://127.0.0.1:1") -> Any:
        """Enter the block; what it gives."""
        manifest = self._folder / "mlsecrets.toml"
        manifest.write_text(_MANIFEST.format(address=address))
        mlsecrets.configure(manifest, clock=self._clock, **self._options)
        self._block = mlsecrets.lease(scope)
        self._held = self._block.__enter__()
        return self._held

    def read(self) -> str:
        """What a signer takes; the first read enters the block."""
        held = self._held or self.open(STORE)
        return str(held.snapshot().credentials.public["access_key_id"])

    def moved(self) -> None:
        """It was given the clock."""

    def requester(self, address: str) -> Callable[[], bool]:
        """GET by `requests` with the lease's auth, which retries once on 401."""
        auth = self.open(SITE, address).auth()
        session = requests.Session()
        session.trust_env = False
        session.mount(address, HTTPAdapter(pool_maxsize=32))
        return lambda: session.get(f"{address}/bucket/key", auth=auth).ok

    def close(self) -> None:
        """Leave the block."""
        if self._block is not None:
            self._block.__exit__(None, None, None)
        mlsecrets.configure()


class StoreClient(LeaseClient):
    """The same, whose requests go by boto3."""

    refusal = "store"

    def requester(self, address: str) -> Callable[[], bool]:
        """GetObject by one shared S3 client, whose retries are left as they are."""
        from botocore.config import Config
        from botocore.exceptions import ClientError

        session = self.open(STORE, address).boto3_session()
        s3 = session.client("s3", config=Config(max_pool_connections=32, proxies={}))

        def send() -> bool:
            try:
                s3.get_object(Bucket="bucket", Key="key")["Body"].read()
            except ClientError:
                return False
            return True

        return send


@contextmanager
def _made(
    kind: type[LeaseClient], issuer: CountingIssuer, clock: FakeClock, **options: Any
) -> Iterator[LeaseClient]:
    CountedIssuer.behind = issuer
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _register(folder)
        client = kind(folder, clock, **options)
        try:
            yield client
        finally:
            client.close()
            sys.path.remove(name)


def _register(folder: Path) -> None:
    """A distribution with one entry point, on the path."""
    made = folder / _DISTRIBUTION
    made.mkdir()
    (made / "METADATA").write_text("Metadata-Version: 2.1\nName: counted\nVersion: 0\n")
    (made / "entry_points.txt").write_text(_ENTRY_POINTS)
    sys.path.append(str(folder))


def mlsecrets_requests(
    issuer: CountingIssuer, clock: FakeClock
) -> AbstractContextManager[LeaseClient]:
    """As users have it if they say nothing; requests go by `requests`."""
    return _made(LeaseClient, issuer, clock)


def mlsecrets_boto3(
    issuer: CountingIssuer, clock: FakeClock
) -> AbstractContextManager[LeaseClient]:
    """The same; requests go by boto3."""
    return _made(StoreClient, issuer, clock)


def mlsecrets_waiting(
    issuer: CountingIssuer, clock: FakeClock
) -> AbstractContextManager[LeaseClient]:
    """As users have it who would rather pause than fail."""
    return _made(LeaseClient, issuer, clock, on_outage="wait")
