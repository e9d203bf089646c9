"""Whether a balancer may send requests, by the leases they need."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from mlsecrets import configure, lease
from mlsecrets.devstack import DevStack
from mlsecrets_serving import Answer, Readiness
from tests.serving.conftest import SCOPE, wait_for

#: Seconds that credentials live where a call for them has to fail in time.
LONG_TTL = 16.0


def test_it_is_so_while_the_lease_is_held(configured: DevStack) -> None:
    """Not before, and not after."""
    readiness = Readiness(SCOPE)
    before = readiness.check()
    assert (before.status, before.leases[0].problem) == (503, "NotLeased")
    with lease(SCOPE):
        during = readiness.check()
        assert during.ready
        assert during.status == 200
        assert 0 < during.leases[0].seconds_left <= 4
    assert readiness.check().status == 503


def test_one_that_is_missing_is_enough(configured: DevStack) -> None:
    """Each is named, with what is wrong."""
    with lease(SCOPE):
        told = Readiness(SCOPE, "checkpoints").check().to_dict()
    assert not told["ready"]
    assert told["leases"][SCOPE]["valid"]
    assert told["leases"]["checkpoints"]["problem"] == "NotLeased"


@pytest.fixture
def patient() -> Iterator[DevStack]:
    """A stack whose credentials outlive a call that hangs, on a busy machine too.

    Of four seconds the call may take all that is left, and what has run out is not
    doomed any more.
    """
    with DevStack(ttl=LONG_TTL) as stack:
        configure(stack.manifest_path)
        yield stack
        configure()


def test_a_doomed_lease_serves_to_its_end_less_the_margin(patient: DevStack) -> None:
    """While the issuer is away; and again when it is back."""
    early, late = Readiness(SCOPE, margin=60.0), Readiness(SCOPE)
    with lease(SCOPE):
        assert early.check().ready, "a margin is about ends that are known"
        with patient.away("openbao"):
            seen: list[Answer] = []

            def doomed() -> bool:
                seen.append(late.check())
                return seen[-1].leases[0].doomed

            wait_for(doomed, "the lease is doomed")
            assert seen[-1].ready
            assert not early.check().ready
            wait_for(lambda: not late.check().ready, "it has run out")
        wait_for(lambda: late.check().ready, "the issuer is back")
        assert early.check().ready


def test_probes_do_not_wait_for_an_issuer_that_hangs(configured: DevStack) -> None:
    """Past the end a reader would; the event loop and other probes go on."""

    async def ask(readiness: Readiness) -> list[int]:
        answers = await asyncio.gather(*(readiness.acheck() for _ in range(3)))
        return [answer.status for answer in answers]

    with lease(SCOPE), configured.away("openbao"):
        readiness = Readiness(SCOPE)
        wait_for(lambda: not readiness.check().ready, "it has run out")
        assert asyncio.run(ask(readiness)) == [503] * 3


def test_it_answers_as_an_asgi_application(configured: DevStack) -> None:
    """Whole, as JSON, and not to be kept by a cache."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError

    asyncio.run(Readiness(SCOPE)({"type": "http"}, receive, send))
    start, body = sent
    assert start["status"] == 503
    assert dict(start["headers"])[b"cache-control"] == b"no-store"
    assert dict(start["headers"])[b"content-length"] == str(len(body["body"])).encode()


@pytest.mark.parametrize("margin", [0.0, 5.0])
def test_no_answer_holds_more_than_names_and_numbers(
    configured: DevStack, margin: float
) -> None:
    """The secret is not in it."""
    with lease(SCOPE) as held:
        told = repr(Readiness(SCOPE, margin=margin).check().to_dict())
        credentials = held.snapshot().credentials
        for name in ("secret_access_key", "session_token"):
            assert credentials.reveal(name) not in told
