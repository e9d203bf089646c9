"""Late injection with tokens of the real OpenBao."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hvac
import pytest

from mlsecrets import Lease, configure, lease
from mlsecrets.devstack import DevStack
from mlsecrets.exposure import Exposure, How
from mlsecrets.memory import count_copies
from tests.issuers.peers import certificate
from tests.late.far import digest, serving

if TYPE_CHECKING:
    from .conftest import Edit

SCOPE = """
[scopes.bao]
owner = "o@example.org"
version = "1.0.0"
issuer = "bao"
path = "secret/data/bao"
ttl = "60s"
max_ttl = "60s"
access = ["use {address}"]
"""
LATE = (Exposure("requests", "token", How.LATE),)


@pytest.fixture
def use_at(stack: DevStack, edited: Edit) -> Callable[[str], None]:
    """Configures this process so that the token is for that address."""
    line = next(
        line
        for line in stack.manifest_path.read_text().splitlines()
        if line.startswith('access = ["use ')
    )

    def use(address: str) -> None:
        ours = f'access = ["use {address}"]\nworkers = true'
        configure(edited((line, ours)))

    return use


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_real_token_is_sent_and_is_nowhere(
    scheme: str, use_at: Callable[[str], None], tmp_path: Path
) -> None:
    """From the issuer's answer to the server's door no copy of it is made."""
    pem = certificate(tmp_path, days=10) if scheme == "https" else None
    with serving(pem) as far:
        use_at(far.address)
        with lease("mlflow") as creds, creds.http_session() as session:
            session.trust_env, session.verify = False, far.ca_file
            answers = [session.post(far.url("a"), json={"n": n}) for n in range(3)]
            credentials = creds.snapshot().credentials
            seen = answers[-1].json()["fields"]["authorization"]
            assert seen == digest("Bearer ", credentials.sealed("token"))
            found = count_copies([credentials.buffer])
            assert found.copies == 0
            assert found.skipped is None or sys.platform != "linux"
            assert creds.exposure == LATE


def send_in_worker(creds: Lease, url: str, results: Any) -> None:
    """In another process: it reads the lease of the one that owns it."""
    with creds.http_session() as session:
        answer = session.get(url).json()["fields"]["authorization"]
    results.put((answer, creds.placeholder(), creds.exposure))


def test_a_worker_sends_late_too(use_at: Callable[[str], None]) -> None:
    """With its owner's token; a placeholder means the same there."""
    context = multiprocessing.get_context("spawn")
    with serving(None) as far:
        use_at(far.address)
        with lease("mlflow") as creds:
            results = context.SimpleQueue()
            arguments = (creds, far.url("b"), results)
            worker = context.Process(target=send_in_worker, args=arguments)
            worker.start()
            seen, placeholder, exposure = results.get()
            worker.join(10)
            sealed = creds.snapshot().credentials.sealed("token")
            assert seen == digest("Bearer ", sealed)
            assert placeholder == creds.placeholder()
            assert exposure == LATE


def test_hvac_works_on_a_placeholder(stack: DevStack, edited: Edit) -> None:
    """Its client is given no token, and yet is somebody to OpenBao."""
    admin = stack.openbao.admin()
    made = admin.request(
        "POST", "auth/token/create", {"policies": ["default"], "ttl": "60s"}
    ).json()["auth"]
    data = {"data": {"token": made["client_token"]}}
    assert admin.request("POST", "secret/data/bao", data).ok
    manifest = edited()
    address = stack.openbao.address
    manifest.write_text(manifest.read_text() + SCOPE.format(address=address))
    configure(manifest)
    with lease("bao") as creds, creds.http_session() as session:
        client = hvac.Client(address, token=creds.placeholder(), session=session)
        assert client.is_authenticated()
        me = client.auth.token.lookup_self()["data"]
        assert me["accessor"] == made["accessor"]
        assert made["client_token"] not in repr(vars(client.adapter))
        assert creds.exposure == LATE
