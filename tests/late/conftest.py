"""A lease whose token never was a Python object, and a server in another process."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace

import pytest
import requests

from mlsecrets._lease import Lease
from mlsecrets._live import LiveGrant
from mlsecrets._reference import Reference
from mlsecrets.access import Access
from mlsecrets.credentials import BearerToken, Credentials, UsernamePassword
from mlsecrets.events import Journal
from mlsecrets.grant import Grant
from mlsecrets.memory import SecretBuffer
from mlsecrets.scope import Scope
from mlsecrets.testing import FakeClock, FakeIssuer
from mlsecrets.view import ScopeView
from tests.issuers.peers import certificate
from tests.late.far import Far, digest, serving

LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


@pytest.fixture(autouse=True)
def no_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    """`requests` has these win over a session's own ``verify``."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def plain() -> Iterator[Far]:
    """It speaks HTTP."""
    with serving(None) as far:
        yield far


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Far]:
    """It speaks TLS."""
    folder = tmp_path_factory.mktemp("certificates")
    with serving(certificate(folder, days=10)) as far:
        yield far


@pytest.fixture(params=["http", "https"])
def far(request: pytest.FixtureRequest) -> Far:
    """Each of them."""
    name = {"http": "plain", "https": "tls"}[request.param]
    found: Far = request.getfixturevalue(name)
    return found


def made_in_place(length: int) -> SecretBuffer:
    """A random text in locked memory, laid down byte by byte."""
    buffer = SecretBuffer(length)
    with buffer.writable() as view:
        for i in range(length):
            view[i] = LETTERS[secrets.randbelow(len(LETTERS))]
    return buffer


class InPlace(FakeIssuer):
    """Issues tokens, or passwords, that never were Python objects."""

    kind: type[Credentials] = BearerToken
    #: Of the next one; None for a random one.
    text: str | None = None

    def issue(self, scope: Scope, timeout: float) -> Grant:
        grant = super().issue(scope, timeout)
        buffer = made_in_place(40) if self.text is None else SecretBuffer.of(self.text)
        user = {"username": f"user-{len(self.calls)}"}
        shown = user if self.kind is UsernamePassword else {}
        return replace(grant, credentials=self.kind(buffer, shown))


class Held:
    """A lease of the scope "far" for some servers.

    Attributes:
        creds: what users hold.
        live: what keeps it.
        issuer: where it is from.
        access: what it allows.
    """

    def __init__(self) -> None:
        self.issuer = InPlace(FakeClock())
        scope = Scope("far", "o@example.org", "1.0.0", "fake", 100.0, 1000.0, (), {})
        self.live = LiveGrant(
            scope, self.issuer, clock=self.issuer._clock, recorder=Journal()
        )
        self.creds = Lease(Reference("far"), self.live)
        self.access: tuple[Access, ...] = ()

    def begin(self, *places: str, kind: type[Credentials] = BearerToken) -> Lease:
        """Open it for these servers."""
        self.issuer.kind = kind
        self.access = tuple(Access("use", place) for place in places)
        self.live.open()
        return self.creds

    def digest(self, before: str = "Bearer ", field: str = "token") -> str:
        """What the server should see now, as the server says it."""
        return digest(before, self.live.snapshot().credentials.sealed(field))

    def replace(self) -> None:
        """Have the present generation replaced."""
        assert isinstance(self.live.clock, FakeClock)
        self.live.clock.advance(30.0)  # refusals within seconds are one refusal
        self.live.invalidate(self.live.snapshot().terms.generation)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    """Not open yet; this process reads the scope "far" from it."""
    made = Held()

    def view(_: Reference) -> ScopeView:
        return ScopeView("far", made.access)

    monkeypatch.setattr(Reference, "source", lambda _: made.live)
    monkeypatch.setattr(Reference, "view", view)
    yield made
    made.live.close()
    made.live.shred()


@pytest.fixture
def session(held: Held, far: Far) -> Iterator[requests.Session]:
    """Of an open lease for the far server."""
    with held.begin(far.address).http_session() as made:
        made.verify = far.ca_file
        yield made
