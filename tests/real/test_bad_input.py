"""Wrong input: each mistake is a typed error with a remedy, and loses nothing."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlsecrets import _current, configure, errors, lease
from mlsecrets.clock import SYSTEM_CLOCK
from mlsecrets.devstack import DevStack
from mlsecrets.grant import Fate, Grant
from mlsecrets.issuers.sts import STS
from mlsecrets.scope import Scope
from mlsecrets.testing import FakeClock
from tests.real.conftest import Edit


@pytest.fixture(autouse=True)
def loses_nothing(mlsecrets_stack: DevStack) -> Iterator[None]:
    """After every mistake, nothing is open and the next lease works."""
    yield
    session = _current.current()
    assert session is None or not session.busy
    configure(mlsecrets_stack.manifest_path)
    with lease("mlflow") as creds:
        assert creds.snapshot().terms.generation == 1
    configure()


def fails(kind: type[errors.MLSecretsError], *scopes: str) -> errors.MLSecretsError:
    """Leasing fails with exactly this type; every error says what to do."""
    with pytest.raises(kind) as caught:
        lease(*scopes).__enter__()
    assert type(caught.value) is kind
    assert caught.value.remedy, caught.value
    return caught.value


def test_no_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Says where it looked and how to get one."""
    configure()
    monkeypatch.chdir(tmp_path)
    error = fails(errors.ManifestNotFound, "train-data")
    for hint in ("MLSECRETS_CONFIG", "mlsecrets init", "mlsecrets dev"):
        assert hint in error.diagnostics()


def test_a_wrong_key(edited: Edit) -> None:
    """The file, the key, what was expected and the nearest valid spelling."""
    path = edited(("max_ttl", "maxttl"))
    with pytest.raises(errors.ManifestError, match="maxttl") as caught:
        configure(path)
    assert "mlsecrets.toml" in str(caught.value)
    assert "max_ttl" in caught.value.diagnostics()


def test_an_unknown_scope(stack: DevStack) -> None:
    """The nearest there is, and the whole list."""
    error = fails(errors.UnknownScope, "train-dta")
    assert "train-data" in str(error)
    assert "checkpoints" in error.diagnostics()


def test_an_unreachable_issuer(stack: DevStack, edited: Edit) -> None:
    """In seconds, not minutes."""
    configure(edited((stack.openbao.address, "http://127.0.0.1:9")))
    begun = time.monotonic()
    error = fails(errors.IssuerUnreachable, "mlflow")
    assert "http://127.0.0.1:9" in str(error)
    assert time.monotonic() - begun < 10


def test_a_sealed_issuer() -> None:
    """Somebody has to unseal it: trying harder does not help."""
    with DevStack(ops=True) as sealed:
        answer = sealed.openbao.admin().request("POST", "sys/seal")
        assert answer.status_code == 204
        configure(sealed.manifest_path)
        error = fails(errors.IssuerSealed, "mlflow")
        assert "unseal" in (error.remedy or "")
        configure()


def test_a_wrong_secret(stack: DevStack, edited: Edit, tmp_path: Path) -> None:
    """Refused at login; the file's content is not in the message."""
    wrong = tmp_path / "wrong"
    wrong.write_text("not-the-secret-id")
    configure(edited((f"{stack.folder}/secret-id", str(wrong))))
    error = fails(errors.LoginRefused, "mlflow")
    assert "approle" in str(error)
    assert "not-the-secret-id" not in error.diagnostics()


def test_a_missing_secret_file(stack: DevStack, edited: Edit, tmp_path: Path) -> None:
    """Nothing was sent."""
    gone = tmp_path / "gone"
    configure(edited((f"{stack.folder}/secret-id", str(gone))))
    error = fails(errors.IdentityError, "mlflow")
    assert str(gone) in str(error)


def test_a_wrong_role_at_the_store(edited: Edit) -> None:
    """The store knows no such role, or does not trust us with it."""
    configure(edited(("role/data-reader", "role/data-owner")))
    error = fails(errors.AccessRefused, "train-data")
    assert "role/data-owner" in str(error)


def test_a_wrong_path_at_the_issuer(edited: Edit) -> None:
    """Not in the policy: 403, and the login is not repeated for it."""
    configure(edited(("oidc/token/mlflow", "oidc/token/mlfow")))
    error = fails(errors.AccessRefused, "mlflow")
    assert "identity/oidc/token/mlfow" in str(error)


def test_a_jwt_for_another_audience(edited: Edit) -> None:
    """The store's provider wants its own."""
    configure(edited(("bao:identity/oidc/token/s3", "bao:identity/oidc/token/mlflow")))
    fails(errors.AccessRefused, "train-data")


def jwt_manifest(text: str, jwt: Path, role: str = "job") -> str:
    """The stack's manifest with a JWT file for an identity."""
    head, _, rest = text.partition("[identities.job]")
    _, _, tail = rest.partition("[issuers.bao]")
    identity = f'kind = "jwt-file"\npath = "{jwt}"\nrole = "{role}"\n'
    return f"{head}[identities.job]\n{identity}\n[issuers.bao]{tail}"


def test_an_expired_identity(stack: DevStack, edited: Edit, tmp_path: Path) -> None:
    """Told apart from a wrong one: the platform has to write a fresh JWT."""
    jwt, path = tmp_path / "jwt", edited()
    path.write_text(jwt_manifest(path.read_text(), jwt))
    jwt.write_text(stack.openbao.workload_jwt(lifetime=-5))
    configure(path)
    error = fails(errors.IdentityExpired, "mlflow")
    assert jwt.read_text() not in error.diagnostics()
    jwt.write_text(stack.openbao.workload_jwt())  # read fresh at each login
    with lease("mlflow") as creds:
        assert creds.snapshot().terms.generation == 1


def test_an_unknown_login_role(stack: DevStack, edited: Edit, tmp_path: Path) -> None:
    """A typo in the manifest."""
    jwt, path = tmp_path / "jwt", edited()
    jwt.write_text(stack.openbao.workload_jwt())
    path.write_text(jwt_manifest(path.read_text(), jwt, role="jbo"))
    configure(path)
    fails(errors.LoginRefused, "mlflow")


def test_tls_where_there_is_none(stack: DevStack, edited: Edit) -> None:
    """The server cannot prove who it is (more cases: tests/issuers/test_http.py)."""
    address = stack.openbao.address
    configure(edited((address, address.replace("http:", "https:"))))
    error = fails(errors.UntrustedIssuer, "mlflow")
    assert "ca_file" in (error.remedy or "")


@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_is_off_by_an_hour(stack: DevStack, hours: int) -> None:
    """The store would refuse every signature: say so before the first one."""
    clock = FakeClock(wall=None)
    clock.jump(hours * 3600)
    configure(stack.manifest_path, clock=clock)
    error = fails(errors.ClockSkew, "train-data")
    assert re.search(r"clock is (359|360)\d s", str(error))
    assert ("ahead of" if hours > 0 else "behind") in str(error)


def test_a_wall_clock_that_jumps_does_not_shorten_a_lease(stack: DevStack) -> None:
    """Lives are measured on the monotonic clock."""
    clock = FakeClock(wall=None)
    configure(stack.manifest_path, clock=clock)
    with lease("mlflow") as creds:
        clock.jump(3600)
        assert creds.snapshot().terms.generation == 1


@pytest.mark.parametrize("hours", [1, -1])
def test_a_wall_clock_that_jumps_leaves_sessions_revocable(
    stack: DevStack, hours: int
) -> None:
    """Proofs are signed by the store's clock; ours is an hour off by then."""
    clock = FakeClock(wall=None)
    configure(stack.manifest_path, clock=clock)
    with lease("train-data") as creds:
        first = creds.snapshot().terms.lease_id
        live = _current.session().held("train-data")
        live.invalidate(1)  # retired before the jump, and one after it
        assert creds.snapshot().terms.lease_id != first
        clock.jump(hours * 3600)
    fates = {end.outcome.fate for end in creds.report.ended}
    assert (len(creds.report.ended), fates) == (2, {Fate.REVOKED})


class Holding:
    """In place of OpenBao: gives a JWT that was fetched before."""

    login = None
    clock = SYSTEM_CLOCK

    def __init__(self, grant: Grant) -> None:
        self._grant = grant

    def issuer(self, name: str) -> Any:
        return self

    def issue(self, scope: Scope, timeout: float) -> Grant:
        return self._grant


def test_a_store_that_cannot_ask_the_jwts_issuer(stack: DevStack) -> None:
    """It says "access denied"; but nothing is wrong with what it was shown."""
    with DevStack() as brief:
        configure(brief.manifest_path)
        manifest = _current.session().manifest
        scope = manifest.scopes["train-data"]
        options = {"path": "identity/oidc/token/s3", "credentials": "bearer"}
        with lease("mlflow"):
            issuer = _current.session().held("mlflow").issuer
            jwt = issuer.issue(replace(scope, options=options), 5.0)
        configure()
        os.kill(brief.processes["openbao"], signal.SIGKILL)
        wait_until_closed(brief.openbao.address)
        values = {**manifest.issuers["store"].values}
        del values["revoker"]
        store = STS("store", values, Holding(jwt))  # type: ignore[arg-type]
        with pytest.raises(errors.IssuerUnavailable, match="keys") as caught:
            store.issue(scope, 10.0)
        assert type(caught.value) is errors.IssuerUnavailable
        store.close()


def wait_until_closed(address: str) -> None:
    """A killed server's port stays open for a moment."""
    host, port = address.removeprefix("http://").split(":")
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex((host, int(port))) != 0:
                return
        threading.Event().wait(0.02)
    raise AssertionError(f"{address} is still open")


def test_terms_longer_than_the_scope_allows(edited: Edit) -> None:
    """A store that grants more than max_ttl is refused, not trusted."""
    text = edited().read_text().replace('max_ttl = "1h"', 'max_ttl = "3s"')
    path = edited()
    path.write_text(text.replace('ttl = "10s"', 'ttl = "2s"'))
    configure(path)
    for scope in ("train-data", "mlflow"):
        error = fails(errors.AccessRefused, scope)
        assert "max_ttl" in str(error)
