"""Issuers whose servers answer what a test says, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import responses

from mlsecrets._live import LiveGrant
from mlsecrets.access import Access
from mlsecrets.identities.approle import AppRole
from mlsecrets.issuer import Identity, Issuer
from mlsecrets.issuers._bao_client import BaoClient
from mlsecrets.issuers._bao_login import BaoLogin
from mlsecrets.issuers._revoker import Revoker
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


class World:
    """One of each issuer, and what the servers answer by path.

    Attributes:
        answers: by path, the (status, body) of each call; the last is repeated.
        calls: the paths that were asked for, in order.
        cost: seconds that each call takes.
    """

    def __init__(self, folder: Path, mock: responses.RequestsMock) -> None:
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
        for method in ("GET", "POST"):
            for server in (BAO, STORE, REVOKER):
                mock.add_callback(method, _below(server), self._answer)

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

    def _answer(self, request: Any) -> tuple[int, dict[str, str], bytes]:
        path = request.url.partition("example")[2]
        self.calls.append(path)
        self.clock.advance(self.cost)
        answers = self.answers[path]
        status, body = answers.pop(0) if len(answers) > 1 else answers[0]
        return status, {}, body

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


def _below(server: str) -> re.Pattern[str]:
    return re.compile(re.escape(server) + "/.*")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """OpenBao lets us log in; the rest is up to the test."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        made = World(tmp_path, mock)
        made.say("/v1/auth/approle/login", LOGIN)
        made.say("/v1/queue/creds/worker", DYNAMIC)
        made.say("/v1/identity/oidc/token/s3", SIGNED)
        made.say("/v1/sys/leases/renew", RENEWED)
        made.say("/v1/auth/token/renew-self", LOGIN)
        yield made
