"""The real OpenBao: logging in, reading paths as leases, renewing, ending."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mlsecrets import _current, configure, errors, hold, lease, release
from mlsecrets.devstack import DevStack
from mlsecrets.devstack.user_registry import UserRegistry
from mlsecrets.grant import Fate
from mlsecrets.testing import FakeClock
from tests.real.bao_parts import (
    DYNAMIC,
    KV,
    login,
    queue,
    wait_until_empty,
    with_identity,
    with_scope,
)
from tests.real.conftest import Edit


@pytest.fixture(scope="module")
def registry(mlsecrets_stack: DevStack) -> Iterator[UserRegistry]:
    """A dynamic engine whose leases live 8 s, renewable up to 20 s."""
    with queue(mlsecrets_stack) as server:
        yield server


def test_a_dynamic_secret_is_renewed_then_replaced_then_revoked(
    stack: DevStack, registry: UserRegistry, edited: Edit
) -> None:
    """The whole life of a lease: later terms while there are any, then a new user."""
    clock = FakeClock(wall=None)
    configure(with_scope(edited(), DYNAMIC), clock=clock)
    with lease("queue") as creds:
        first = creds.snapshot().credentials.public["username"]
        assert first in registry.users
        session = _current.session()
        live = session.held("queue")
        terms = creds.snapshot().terms
        assert terms.renewable
        assert terms.lifetime == 8
        clock.advance(4)
        live.tend()
        renewed = creds.snapshot()
        assert renewed.terms.generation == 1
        assert renewed.terms.deadline > terms.deadline
        assert renewed.credentials.public["username"] == first
        # No time passes for us now, so a renewal gains nothing, as near the max TTL.
        live.tend()
        assert creds.snapshot().terms.generation == 2
        assert creds.snapshot().credentials.public["username"] != first
    wait_until_empty(registry)
    assert {end.outcome.fate for end in creds.report.ended} == {Fate.REVOKED}


def test_what_the_policy_lets_nobody_revoke_dies_with_the_login(
    stack: DevStack, registry: UserRegistry, edited: Edit
) -> None:
    """The job may not revoke this lease by name; its own token takes it along."""
    configure(with_scope(edited(), DYNAMIC))
    with lease("queue") as creds:
        assert registry.users
    wait_until_empty(registry)
    (end,) = creds.report.ended
    assert end.outcome.fate is Fate.REVOKED
    assert end.outcome.reason == "with the process's own token"


def test_an_engine_that_is_down_for_a_minute_is_no_refusal(
    stack: DevStack, registry: UserRegistry, edited: Edit
) -> None:
    """OpenBao answers 400 or 500 then; it is worth another try."""
    configure(with_scope(edited(), DYNAMIC))
    registry.down = True
    try:
        with pytest.raises(errors.IssuerUnavailable):
            lease("queue").__enter__()
    finally:
        registry.down = False


def test_a_lease_that_was_revoked_elsewhere_is_replaced(
    stack: DevStack, registry: UserRegistry, edited: Edit
) -> None:
    """An operator revoked it: there is nothing left to renew."""
    configure(with_scope(edited(), DYNAMIC))
    with lease("queue") as creds:
        lease_id = creds.snapshot().terms.lease_id
        admin = stack.openbao.admin()
        body = {"lease_id": lease_id, "sync": True}
        assert admin.request("PUT", "sys/leases/revoke", body).status_code == 204
        _current.session().held("queue").tend()
        assert creds.snapshot().terms.generation == 2
        assert creds.snapshot().terms.lease_id != lease_id


def test_a_login_that_was_revoked_elsewhere_is_made_again(stack: DevStack) -> None:
    """A dead token and a policy that says no are both 403: only the first is cured."""
    with lease("mlflow") as creds:
        session = _current.session()
        accessor = login().lease_id
        admin = stack.openbao.admin()
        body = {"accessor": accessor}
        answer = admin.request("POST", "auth/token/revoke-accessor", body)
        assert answer.status_code == 204
        session.held("mlflow").tend()
        assert creds.snapshot().terms.generation == 2
        assert login().lease_id != accessor


def test_a_login_is_renewed_and_then_made_anew(edited: Edit) -> None:
    """Its max TTL is reached: a new login, and its leases are replaced with it."""
    with DevStack(ttl=10, token_ttl=4, token_max_ttl=6) as short:
        clock = FakeClock(wall=None)
        configure(short.manifest_path, clock=clock)
        with lease("mlflow"):
            token = login()
            first = token.lease_id
            clock.advance(2)
            token.tend()
            assert token.lease_id == first
            events = _current.session().journal.events(scope="login:bao")
            assert [event.name for event in events] == ["issued", "renewed"]
            # The server caps the renewals as its own time passes: wait for that.
            while token.lease_id == first:
                token.tend()
            names = [
                event.name
                for event in _current.session().journal.events(scope="login:bao")
            ]
            assert names[-1] == "replaced"
        configure()


def test_a_stored_value_is_read_and_called_static(
    stack: DevStack, edited: Edit
) -> None:
    """KV version 2: it lives until its owner rotates it, and the report says so."""
    configure(with_scope(edited(), KV))
    with lease("hub") as creds:
        token = creds.snapshot().credentials.reveal("token")
    assert token == (stack.folder / "hf-token").read_text()
    (end,) = creds.report.ended
    assert end.outcome.fate is Fate.STATIC


def test_an_answer_with_other_keys_names_them(stack: DevStack, edited: Edit) -> None:
    """But never their values."""
    configure(with_scope(edited(), KV.replace('fields = { token = "hf_token" }', "")))
    with pytest.raises(errors.BadAnswer, match="hf_token") as caught:
        lease("hub").__enter__()
    assert "fields" in (caught.value.remedy or "")
    assert (stack.folder / "hf-token").read_text() not in caught.value.diagnostics()


def test_vault_is_the_other_spelling(stack: DevStack, edited: Edit) -> None:
    """Same engine, same manifest."""
    configure(edited(('kind = "openbao"', 'kind = "vault"')))
    with lease("mlflow") as creds:
        assert creds.snapshot().credentials.KIND == "bearer"


def test_a_token_ends_at_its_ttl_and_the_report_says_so(stack: DevStack) -> None:
    """A signed JWT cannot be revoked: never "revoked"."""
    with lease("mlflow") as creds:
        terms = creds.snapshot().terms
        assert 0 < terms.lifetime <= 10
    (end,) = creds.report.ended
    assert end.outcome.fate is Fate.ENDS_AT_TTL
    assert "ends at TTL, in" in str(end)


def test_the_logins_token_is_revoked_at_the_end(stack: DevStack) -> None:
    """By the issuer's word: it no longer knows the accessor."""
    with lease("mlflow"):
        accessor = login().lease_id
        body = {"accessor": accessor}
        admin = stack.openbao.admin()
        lookup = "auth/token/lookup-accessor"
        assert admin.request("POST", lookup, body).status_code == 200
    assert admin.request("POST", lookup, body).status_code in {400, 403, 404}


@pytest.mark.parametrize("kind", ["userpass", "jwt-file"])
def test_other_identities_log_in(
    stack: DevStack, edited: Edit, tmp_path: Path, kind: str
) -> None:
    """A person with a password, a workload with a JWT."""
    if kind == "userpass":
        keys = f'username = "ada"\npassword_file = "{stack.openbao.ada_password_file}"'
    else:
        jwt = tmp_path / "jwt"
        jwt.write_text(stack.openbao.workload_jwt())
        keys = f'path = "{jwt}"\nrole = "job"'
    configure(with_identity(edited(), f'kind = "{kind}"\n{keys}\n'))
    with lease("mlflow") as creds:
        assert creds.snapshot().terms.generation == 1


def test_hold_keeps_a_lease_open_without_a_block(stack: DevStack) -> None:
    """One lease however often it is asked for, until it is released."""
    held = hold("mlflow")
    assert hold("mlflow") is held
    assert held.snapshot().terms.generation == 1
    release("mlflow")
    assert held.report.ended
    with pytest.raises(errors.LeaseClosed):
        held.snapshot()


def test_hold_inside_a_block_is_the_blocks_lease(stack: DevStack) -> None:
    """And ends with it: a host's provider does not keep a secret past the block."""
    with lease("mlflow") as creds:
        held = hold("mlflow")
        assert held.snapshot() is creds.snapshot()
    with pytest.raises(errors.LeaseClosed):
        held.snapshot()
    assert creds.report
