"""Issuers whose servers answer what a test says, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mlsecrets._live import LiveGrant
from mlsecrets.access import Access
from mlsecrets.identities.approle import AppRole
from mlsecrets.issuer import Identity, Issuer
from mlsecrets.issuers._bao_client import BaoClient
from mlsecrets.issuers._bao_login import BaoLogin
from mlsecrets.issuers._deadline import Deadline
from mlsecrets.issuers._revoker import Revoker
from mlsecrets.issuers._transport import Transport
from mlsecrets.issuers.openbao import OpenBao
from mlsecrets.issuers.sts import STS
from mlsecrets.scope import Scope
from mlsecrets.testing import FakeClock

BAO = "http://bao.example"
STORE = "http://store.example"
REVOKER = "http://revoker.example"
LOGIN = {
    "request_id": "5cbbb776",
    "auth": {
        "client_token": "s.M8joMDKPjKjVhupwwsXvhiEI",
        "accessor": "dbzdXRiorw2BZ9Utoet8TptB",
        "lease_duration": 30,
        "renewable": True,
    },
}
DYNAMIC = {
    "request_id": "1cd4f642",
    "lease_id": "queue/creds/worker/Px53yoruDXgl5aGASafHOI7f",
    "renewable": True,
    "lease_duration": 8,
    "data": {"username": "userpass-ops-261a376a", "password": "oUonVdBCmnt62h"},
}
SIGNED = {
    "request_id": "9e1f0c11",
    "lease_id": "",
    "renewable": False,
    "lease_duration": 0,
    "data": {"client_id": "c", "token": "eyJhbGciOi.J9.x", "ttl": 10},
}
RENEWED = {key: DYNAMIC[key] for key in ("request_id", "lease_id", "lease_duration")}


def scope(path: str = "queue/creds/worker") -> Scope:
    access = (Access.parse("read s3://datasets/digits/*"),)
    options = {"path": path, "role": "arn:aws:iam::role/r"}
    return Scope("queue", "o", "1", "bao", 8.0, 3600.0, access, options)


class Silent:
    """Records nothing."""

    def record(self, event: object) -> None:
        """Nothing."""


class Wire:
    """A connection to nowhere, which answers each request at once.

    Args:
        answer: gives status and body for a path.
    """

    def __init__(self, answer: Callable[[str], tuple[int, bytes]]) -> None:
        self.reusable = False
        self._answer = answer
        self._unread = b""

    def send(self, data: memoryview, deadline: Deadline) -> None:
        _method, path, _version = bytes(data).split(b" ", 2)
        status, body = self._answer(path.decode())
        head = f"HTTP/1.1 {status} Said\r\nContent-Length: {len(body)}\r\n\r\n"
        self._unread = head.encode() + body

    def receive(self, room: memoryview, deadline: Deadline) -> int:
        now, self._unread = self._unread[: len(room)], self._unread[len(room) :]
        room[: len(now)] = now
        return len(now)


class World:
    """One of each issuer, and what the servers answer by path.

    Attributes:
        answers: by path, the (status, body) of each call; the last is repeated.
        calls: the paths that were asked for, in order.
        cost: seconds that each call takes.
    """

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.answers: dict[str, list[tuple[int, bytes]]] = {}
        self.calls: list[str] = []
        self.cost = 0.0
        for name in ("role-id", "secret-id"):
            (folder / name).write_text("x")
        self._identity = AppRole(
            "job",
            {
                "role_id_file": folder / "role-id",
                "secret_id_file": folder / "secret-id",
                "mount": "approle",
            },
        )
        self.bao = self.openbao()

    def say(self, path: str, body: object, status: int = 200) -> None:
        """Answer a path with this from now on."""
        self.answers[path] = []
        self.then_say(path, body, status)

    def then_say(self, path: str, body: object, status: int = 200) -> None:
        """Answer a path with this after what was said before."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answers[path].append((status, raw))

    def openbao(self) -> OpenBao:
        """One that has not logged in yet."""
        return OpenBao("bao", {"address": BAO, "identity": "job"}, self)

    def bao_login(self) -> BaoLogin:
        client = BaoClient("bao", {"address": BAO}, self.clock)
        return BaoLogin(client, self._identity, self.clock)

    def sts(self) -> STS:
        values = {"address": STORE, "web_identity": "bao:identity/oidc/token/s3"}
        return STS("store", values, self)

    def revoker_client(self) -> Revoker:
        return Revoker("store", self.revoker("store"), STORE, "us-east-1", self.clock)

    @contextmanager
    def connection(self, deadline: Deadline) -> Iterator[Wire]:
        """Stands in for every server's `Transport.connection`."""
        yield Wire(self._answer)

    def _answer(self, path: str) -> tuple[int, bytes]:
        self.calls.append(path)
        self.clock.advance(self.cost)
        answers = self.answers[path]
        status, body = answers.pop(0) if len(answers) > 1 else answers[0]
        return status, body

    # -- issuer.Context ----------------------------------------------------------------

    def identity(self, name: str) -> Identity:
        return self._identity

    def issuer(self, name: str) -> Issuer:
        return self.bao

    def revoker(self, name: str) -> Mapping[str, Any]:
        return {"address": REVOKER, "audience": "us"}

    def login(self, name: str, issuer: Issuer) -> LiveGrant:
        scope = Scope("login:bao", "", "", "bao", 0.0, float("inf"), (), {})
        return LiveGrant(scope, issuer, clock=self.clock, recorder=Silent())


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """OpenBao lets us log in; the rest is up to the test."""
    made = World(tmp_path)
    monkeypatch.setattr(Transport, "connection", lambda _, at: made.connection(at))
    made.say("/v1/auth/approle/login", LOGIN)
    made.say("/v1/queue/creds/worker", DYNAMIC)
    made.say("/v1/identity/oidc/token/s3", SIGNED)
    made.say("/v1/sys/leases/renew", RENEWED)
    made.say("/v1/auth/token/renew-self", LOGIN)
    return made
