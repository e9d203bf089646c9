"""hvac, which never renews by itself, and the loop that its users put around it.

The loop is a kind reading of what is in use: a thread that sleeps two thirds of what
the last answer gave, at least a second; renews, or reads anew what does not renew or is
gone; and after any other failure logs it and tries again at a fixed pause. Readers take
what it fetched last. Many loops in use end at their first failure.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import hvac
import requests
from hvac.exceptions import InvalidRequest, VaultError
from requests.adapters import BaseAdapter

from mlsecrets.clock import Clock
from mlsecrets.testing import FakeClock

from ..issuer import CountingIssuer, IssuerDown

log = logging.getLogger("hvac-loop")

#: Seconds between tries after a failure, the first step of Vault's own watcher
#: (api/lifetime_watcher.go).
PAUSE = 10.0


class Loop:
    """Keeps the answer of one path fresh.

    Args:
        client: logged in.
        path: what to read, such as ``database/creds/reader``.
        clock: what to sleep on.
        pause: seconds between tries after a failure.

    Attributes:
        answer: what was read last.
    """

    def __init__(
        self, client: Any, path: str, clock: Clock, *, pause: float = PAUSE
    ) -> None:
        self._client = client
        self._path = path
        self._clock = clock
        self._pause = pause
        self._changed = threading.Condition()
        self._ended = False
        self.answer = client.read(path)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        wait = max(1.0, self.answer["lease_duration"] * 2 / 3)
        while self._sleep(wait):
            try:
                wait = max(1.0, self._turn() * 2 / 3)
            except (VaultError, requests.RequestException) as error:
                log.warning("could not renew %s: %s", self._path, type(error).__name__)
                wait = self._pause

    def _turn(self) -> float:
        if self.answer["renewable"]:
            try:
                renewed = self._client.sys.renew_lease(self.answer["lease_id"])
            except InvalidRequest:
                log.warning("%s is gone", self._path)
            else:
                return float(renewed["lease_duration"])
        self.answer = self._client.read(self._path)
        return float(self.answer["lease_duration"])

    def _sleep(self, seconds: float) -> bool:
        """Let time pass on the clock; False when it is time to end."""
        end = self._clock.monotonic() + seconds
        with self._changed:
            while not self._ended and (left := end - self._clock.monotonic()) > 0:
                self._clock.wait(self._changed, left)
            return not self._ended


class _Transport(BaseAdapter):
    """Answers hvac's HTTP requests from the counting issuer, as a KV-like engine."""

    def __init__(self, issuer: CountingIssuer) -> None:
        super().__init__()
        self._issuer = issuer

    def send(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> requests.Response:
        try:
            fresh = self._issuer.mint()
        except IssuerDown as error:
            raise requests.ConnectionError(error, request=request) from error
        response = requests.Response()
        response.status_code = 200
        response.request = request
        response.headers["Content-Type"] = "application/json"
        body = {
            "lease_id": f"store/{fresh.id}",
            "lease_duration": int(fresh.lifetime),
            "renewable": False,
            "data": {"access_key": fresh.id},
        }
        response._content = json.dumps(body).encode()  # noqa: SLF001
        return response

    def close(self) -> None:
        """Nothing is open."""


class HvacClient:
    """A job that takes its credential from the loop."""

    #: Two thirds of an hour have passed.
    due = 1199.0
    pace = 0.0
    background = True
    refusal = "token"

    def __init__(self, issuer: CountingIssuer, clock: FakeClock) -> None:
        session = requests.Session()
        session.mount("http://vault.example.org", _Transport(issuer))
        self._client = hvac.Client("http://vault.example.org", "token", session=session)
        self._clock = clock
        self._loop: Loop | None = None

    def read(self) -> str:
        """What the loop fetched last; the first read starts it."""
        if self._loop is None:
            self._loop = Loop(self._client, "aws/creds/reader", self._clock)
        return str(self._loop.answer["data"]["access_key"])

    def moved(self) -> None:
        """The loop sleeps on the experiment's clock."""

    def requester(self, address: str) -> Callable[[], bool]:
        """GET with the credential of the moment; the loop hears of no refusal."""
        session = requests.Session()
        session.trust_env = False

        def send() -> bool:
            headers = {"Authorization": f"Bearer {self.read()}"}
            return session.get(f"{address}/bucket/key", headers=headers).ok

        return send

    def close(self) -> None:
        """End the loop."""
        if self._loop is not None:
            self._loop.close()


@contextmanager
def hvac_loop(issuer: CountingIssuer, clock: FakeClock) -> Iterator[HvacClient]:
    """The loop ends with it."""
    client = HvacClient(issuer, clock)
    try:
        yield client
    finally:
        client.close()
