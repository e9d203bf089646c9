"""A dead token and a policy that says no are both 403: which of them is it?"""

from __future__ import annotations

from typing import Any

import pytest

from mlsecrets import errors
from tests.issuers.conftest import DYNAMIC, LOGIN, World, scope

PATH = "/v1/queue/creds/worker"
LOG_IN = "/v1/auth/approle/login"
LOOK_UP = "/v1/auth/token/lookup-self"
POLICY = {"errors": ["1 error occurred:\n\t* permission denied\n\n"]}
DEAD = {"errors": ["permission denied"]}
ALIVE = {"request_id": "96e1306b", "data": {"accessor": "nCxojhgDbAuu5lVq5A5nUPPU"}}
SEALED = {"errors": ["Vault is sealed"]}


def issue(world: World) -> Any:
    return world.bao.issue(scope(), 5.0)


def refused(world: World, kind: type[errors.IssuerError]) -> errors.IssuerError:
    with pytest.raises(kind) as caught:
        issue(world)
    assert type(caught.value) is kind
    assert caught.value.remedy
    return caught.value


def test_a_dead_token_is_replaced_once(world: World) -> None:
    """And the request repeated with the new one."""
    world.say(PATH, DEAD, 403)
    world.then_say(PATH, DYNAMIC)
    world.say(LOOK_UP, DEAD, 403)
    assert issue(world).terms.lease_id == DYNAMIC["lease_id"]
    assert world.calls == [LOG_IN, PATH, LOOK_UP, LOG_IN, PATH]


def test_a_policy_costs_no_login(world: World) -> None:
    """The token is alive: another would be refused as well."""
    world.say(PATH, POLICY, 403)
    world.say(LOOK_UP, ALIVE)
    refused(world, errors.AccessRefused)
    assert world.calls == [LOG_IN, PATH, LOOK_UP]


def test_a_token_that_may_not_ask_about_itself_is_alive(world: World) -> None:
    """Without the policy "default", even that is refused, by policy."""
    world.say(PATH, POLICY, 403)
    world.say(LOOK_UP, POLICY, 403)
    refused(world, errors.AccessRefused)
    assert world.calls == [LOG_IN, PATH, LOOK_UP]


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (503, SEALED, errors.IssuerSealed),
        (429, {"errors": ["rate limit quota exceeded"]}, errors.IssuerThrottled),
        (500, {"errors": ["internal error"]}, errors.IssuerUnavailable),
        (403, b"<html>Forbidden</html>", errors.BadAnswer),
        (200, b"<html>Sign in</html>", errors.BadAnswer),
    ],
)
def test_when_nobody_can_say_nothing_is_concluded(
    status: int, body: object, kind: type[errors.IssuerError], world: World
) -> None:
    """Neither "policy", which would be the end, nor "dead", which costs a login."""
    world.say(PATH, DEAD, 403)
    world.say(LOOK_UP, body, status)
    refused(world, kind)
    assert world.calls == [LOG_IN, PATH, LOOK_UP]


def test_a_gateways_403_is_not_looked_into(world: World) -> None:
    """The issuer was not asked."""
    world.say(PATH, b"<html>Forbidden</html>", 403)
    refused(world, errors.BadAnswer)
    assert world.calls == [LOG_IN, PATH]


def test_a_dead_token_without_a_new_one_is_no_policy(world: World) -> None:
    """Why there is no new one is the reason."""
    world.say(PATH, DEAD, 403)
    world.say(LOOK_UP, DEAD, 403)
    world.say(LOG_IN, LOGIN)
    world.then_say(LOG_IN, SEALED, 503)
    refused(world, errors.IssuerSealed)
    assert world.calls == [LOG_IN, PATH, LOOK_UP, LOG_IN]


def test_all_calls_together_keep_the_time_of_one(world: World) -> None:
    """Two logins, a lookup and two tries would be five times as long."""
    world.say(PATH, DEAD, 403)
    world.say(LOOK_UP, DEAD, 403)
    world.cost = 2.0
    begun = world.clock.monotonic()
    refused(world, errors.IssuerUnavailable)
    assert world.clock.monotonic() - begun <= 5.0 + world.cost
    assert world.calls == [LOG_IN, PATH, LOOK_UP]


def test_a_session_at_the_store_keeps_its_time_too(world: World) -> None:
    """The JWT's way and the store's together."""
    world.say("/", b"", 503)
    world.cost = 2.0
    with pytest.raises(errors.IssuerUnavailable, match="in time") as caught:
        world.sts().issue(scope(), 3.0)
    assert caught.value.remedy
    assert world.calls == [LOG_IN, "/v1/identity/oidc/token/s3"]
