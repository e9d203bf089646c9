"""Late injection with tokens of the real OpenBao."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import hvac
import pytest

from mlsecrets import configure, lease
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


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_real_token_is_sent_and_is_nowhere(
    scheme: str, stack: DevStack, edited: Edit, tmp_path: Path
) -> None:
    """From the issuer's answer to the server's door no copy of it is made."""
    line = next(
        line
        for line in stack.manifest_path.read_text().splitlines()
        if line.startswith('access = ["use ')
    )
    pem = certificate(tmp_path, days=10) if scheme == "https" else None
    with serving(pem) as far:
        configure(edited((line, f'access = ["use {far.address}"]')))
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
