"""OpenBao's answers with status 200 that are not what was asked for."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlsecrets import errors
from mlsecrets.grant import Ending, Fate, Grant
from tests.issuers.conftest import DYNAMIC, LOGIN, RENEWED, SIGNED, World, scope


def log_in(world: World) -> Grant:
    """A grant of the login itself."""
    return world.bao_login().issue(scope(), 5.0)


def renew_login(world: World) -> object:
    return world.bao_login().renew(scope(), log_in(world), 5.0)


def renew(world: World) -> object:
    grant = world.bao.issue(scope(), 5.0)
    return world.bao.renew(scope(), grant, 5.0)


CALLS: dict[str, tuple[str, dict[str, Any], Callable[[World], object]]] = {
    "login": ("/v1/auth/approle/login", LOGIN, log_in),
    "renewed login": ("/v1/auth/token/renew-self", LOGIN, renew_login),
    "dynamic secret": (
        "/v1/queue/creds/worker",
        DYNAMIC,
        lambda world: world.bao.issue(scope(), 5.0),
    ),
    "signed token": (
        "/v1/identity/oidc/token/s3",
        SIGNED,
        lambda world: world.bao.issue(scope("identity/oidc/token/s3"), 5.0),
    ),
    "renewed lease": ("/v1/sys/leases/renew", RENEWED, renew),
}
calls = pytest.mark.parametrize("name", CALLS)


@calls
def test_a_genuine_answer_is_understood(name: str, world: World) -> None:
    """So that the others fail for what is changed in them."""
    path, genuine, call = CALLS[name]
    world.say(path, genuine)
    assert call(world) is not None


@calls
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>Sign in to the guest network</body></html>",
        b'{"data": {"token": "ey',
        b"[]",
        b"{}",
        b'{"data": null, "auth": null, "lease_id": null}',
        b"[" * 50_000,
        b"\xff\xfe\x00\x01",
    ],
)
def test_success_with_other_content_is_no_success(
    name: str, body: bytes, world: World
) -> None:
    """A captive portal answers 200 to everything."""
    path, _, call = CALLS[name]
    world.say(path, body)
    with pytest.raises(errors.BadAnswer) as caught:
        call(world)
    assert caught.value.remedy


#: What each call cannot do without.
NEEDED = [
    ("login", ("auth",)),
    ("login", ("auth", "client_token")),
    ("login", ("auth", "lease_duration")),
    ("renewed login", ("auth",)),
    ("renewed login", ("auth", "lease_duration")),
    ("dynamic secret", ("lease_id",)),
    ("dynamic secret", ("lease_duration",)),
    ("dynamic secret", ("data",)),
    ("signed token", ("request_id",)),
    ("signed token", ("data",)),
    ("signed token", ("data", "ttl")),
    ("renewed lease", ("lease_duration",)),
]
WRONG: list[Any] = [
    None,
    [],
    {"a": 1},
    True,
    -1,
    float("nan"),
    float("inf"),
    10**400,
    "\ud800",
    "a b",
]


@pytest.mark.parametrize(("name", "keys"), NEEDED)
def test_what_is_missing_is_named(
    name: str, keys: tuple[str, ...], world: World
) -> None:
    """And what was expected of it."""
    path, genuine, call = CALLS[name]
    changed = copy.deepcopy(genuine)
    del at(changed, keys[:-1])[keys[-1]]
    world.say(path, changed)
    with pytest.raises(errors.BadAnswer, match=keys[-1]) as caught:
        call(world)
    assert "expected" in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize("value", WRONG, ids=lambda value: repr(value)[:12])
@pytest.mark.parametrize(("name", "keys"), NEEDED)
def test_what_is_of_the_wrong_kind_is_named(
    name: str, keys: tuple[str, ...], value: object, world: World
) -> None:
    """No guess is made, and nothing of it is shown."""
    path, genuine, call = CALLS[name]
    changed = copy.deepcopy(genuine)
    if isinstance(value, dict) and isinstance(at(genuine, keys), dict):
        value = 7
    at(changed, keys[:-1])[keys[-1]] = value
    world.say(path, changed)
    with pytest.raises(errors.BadAnswer):
        call(world)


def test_a_login_for_no_time_is_refused_by_us(world: World) -> None:
    """It would be made again at every read."""
    changed: Any = copy.deepcopy(LOGIN)
    changed["auth"]["lease_duration"] = 0
    world.say("/v1/auth/approle/login", changed)
    with pytest.raises(errors.IssuerError, match="dead on arrival") as caught:
        log_in(world)
    assert "token_ttl" in (caught.value.remedy or "")


def at(content: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        content = content[key]
    return content


def everywhere(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(content, dict):
        for key, inner in content.items():
            yield (*path, key)
            yield from everywhere(inner, (*path, key))


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_answer_breaks_an_issuer(world: World, data: st.DataObject) -> None:
    """One field is anything at all: a grant comes of it, or an error of ours."""
    path, genuine, call = CALLS[data.draw(st.sampled_from(sorted(CALLS)))]
    changed = copy.deepcopy(genuine)
    where = data.draw(st.sampled_from(sorted(everywhere(genuine))))
    at(changed, where[:-1])[where[-1]] = data.draw(anything)
    world.bao = world.openbao()
    for other, fine, _ in CALLS.values():
        world.say(other, fine)
    world.say(path, changed)
    try:
        assert call(world) is not None
    except errors.IssuerError as error:
        assert error.diagnostics()  # noqa: PT017  a grant is as good


# -- ending at OpenBao -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body"),
    [(403, b"<html>Forbidden</html>"), (401, b""), (404, b"404 page not found\n")],
)
def test_a_gateway_does_not_decide_that_a_lease_lives_on(
    status: int, body: bytes, world: World
) -> None:
    """Revoking is worth another try."""
    grant = world.bao.issue(scope(), 5.0)
    world.say("/v1/sys/leases/revoke", body, status)
    with pytest.raises(errors.BadAnswer):
        world.bao.end(Ending(grant.terms), 5.0)


def test_a_gateway_does_not_decide_that_a_login_is_dead(world: World) -> None:
    """Neither at its renewal, nor at its end: no login is made because of one."""
    world.say("/v1/auth/token/renew-self", b"<html>Forbidden</html>", 403)
    with pytest.raises(errors.BadAnswer):
        renew_login(world)
    world.say("/v1/auth/token/revoke-self", b"<html>Forbidden</html>", 403)
    ending = world.bao_login().retire(log_in(world))
    with pytest.raises(errors.BadAnswer):
        world.bao_login().end(ending, 5.0)
    ending.close()


@pytest.mark.parametrize(
    ("status", "said", "fate", "reason"),
    [
        (204, None, Fate.REVOKED, ""),
        (403, "permission denied", Fate.EXPIRED, "no longer knew"),
        (403, "1 error occurred: permission denied", Fate.ENDS_AT_TTL, "policy"),
    ],
)
def test_what_became_of_a_login(
    status: int, said: str | None, fate: Fate, reason: str, world: World
) -> None:
    """Never "revoked", and never "expired", of a token that lives on."""
    body = b"" if said is None else {"errors": [said]}
    world.say("/v1/auth/token/revoke-self", body, status)
    ending = world.bao_login().retire(log_in(world))
    outcome = world.bao_login().end(ending, 5.0)
    assert outcome.fate is fate
    assert reason in outcome.reason
    ending.close()


def test_a_batch_token_ends_by_itself(world: World) -> None:
    """It has no accessor, and nobody can revoke it (400, measured)."""
    batch: Any = copy.deepcopy(LOGIN)
    batch["auth"]["accessor"] = ""
    world.say("/v1/auth/approle/login", batch)
    said = {"errors": ["batch tokens cannot be revoked"]}
    world.say("/v1/auth/token/revoke-self", said, 400)
    ending = world.bao_login().retire(log_in(world))
    outcome = world.bao_login().end(ending, 5.0)
    assert outcome.fate is Fate.ENDS_AT_TTL
    assert "batch" in outcome.reason
    ending.close()
