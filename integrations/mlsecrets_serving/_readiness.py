"""`Readiness`: whether a balancer may send requests, by the leases they need."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from dataclasses import dataclass, replace
from typing import Any

from mlsecrets import lease
from mlsecrets.clock import SYSTEM_CLOCK

from ._ready import LeaseState, lease_states

#: Seconds that a probe waits for an answer: Kubernetes gives it one in all.
PATIENCE = 0.5

States = tuple[LeaseState, ...]


@dataclass(frozen=True)
class Answer:
    """What a probe is told; nothing secret.

    Attributes:
        ready: whether all leases are valid, and go on for long enough.
        leases: each of them.
    """

    ready: bool
    leases: States

    @property
    def status(self) -> int:
        """Of an HTTP response: 200, or 503 (RFC 9110 §15.6.4)."""
        return 200 if self.ready else 503

    def to_dict(self) -> dict[str, Any]:
        """As it is sent."""
        return {
            "ready": self.ready,
            "leases": {
                state.scope: {
                    "valid": state.valid,
                    "doomed": state.doomed,
                    "seconds_left": round(state.seconds_left, 3),
                    "problem": state.problem,
                }
                for state in self.leases
            },
        }


class Readiness:
    """Ready while every named lease is valid in this process.

    An ASGI application, and a method for everything else::

        app.routes.append(Route("/ready", Readiness("models")))  # FastAPI, Starlette

        @flask_app.get("/ready")
        def ready():
            answer = readiness.check()
            return answer.to_dict(), answer.status

    A probe never waits for an issuer, nor for an owner that does not answer: it is then
    told what was known last, less the time that has passed. It says nothing of whether
    the process lives: a server without a lease may get one again.

    Args:
        scopes: names from the manifest.
        margin: seconds before the known end of a doomed lease at which to say no, so
            that a balancer has stopped sending requests by then.

    Raises:
        TypeError, ValueError: no scope is named, or one twice.
    """

    def __init__(self, *scopes: str, margin: float = 0.0) -> None:
        lease(*scopes)
        self._scopes = scopes
        self._margin = margin
        self._asking: Future[States] | None = None
        self._known: tuple[float, States] = (0.0, tuple(map(LeaseState, scopes)))

    def check(self) -> Answer:
        """What to tell now; takes half a second at the most."""
        try:
            return self._answer(self._ask().result(PATIENCE))
        except TooLate:
            return self._answer(self._remembered())

    async def acheck(self) -> Answer:
        """The same, while the event loop goes on."""
        asked = asyncio.wrap_future(self._ask())
        # Not cancelled with this one: other probes may wait for it, too.
        done, _ = await asyncio.wait({asked}, timeout=PATIENCE)
        return self._answer(asked.result() if done else self._remembered())

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        """Answer a request, as ASGI wants it."""
        answer = await self.acheck()
        body = json.dumps(answer.to_dict()).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
        ]
        await send(
            {
                "type": "http.response.start",
                "status": answer.status,
                "headers": headers,
            }
        )
        await send({"type": "http.response.body", "body": body})

    def _answer(self, states: States) -> Answer:
        return Answer(all(map(self._may_serve, states)), states)

    def _may_serve(self, state: LeaseState) -> bool:
        return state.valid and not (state.doomed and state.seconds_left <= self._margin)

    def _ask(self) -> Future[States]:
        """Ask on a thread, unless one is at it: it may wait for an issuer."""
        asking = self._asking
        if asking is None or asking.done():
            asking = self._asking = Future()
            threading.Thread(
                target=self._look,
                args=(asking,),
                name="mlsecrets-readiness",
                daemon=True,
            ).start()
        return asking

    def _look(self, asking: Future[States]) -> None:
        try:
            states = lease_states(*self._scopes)
        except BaseException as error:  # noqa: BLE001  raised where it is waited for
            asking.set_exception(error)
            return
        self._known = (SYSTEM_CLOCK.monotonic(), states)
        asking.set_result(states)

    def _remembered(self) -> States:
        seen_at, states = self._known
        passed = SYSTEM_CLOCK.monotonic() - seen_at
        return tuple(
            replace(
                state,
                seconds_left=max(state.seconds_left - passed, 0.0),
                problem=state.problem or "NoAnswer",
            )
            for state in states
        )
