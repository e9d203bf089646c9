"""The one HTTP client: bounded in time and size, no redirects, TLS verified.

Requests are written and answers are read in locked memory, so that nothing they hold
becomes a Python object (`_request`, `_incoming`). And a client of our own takes no
Authorization from ~/.netrc and no proxy from the environment, which would send our
requests somewhere else than was written; it keeps no cookies.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import tenacity

from .._origin import origin_of
from ..clock import Clock
from ..errors import IssuerError, IssuerUnreachable
from ..memory import Draft, Sealed
from ._answer import Answer
from ._broken import FAILURES, broken
from ._deadline import Deadline, within
from ._exchange import exchange
from ._request import compose
from ._transport import Transport


class HTTPClient:
    """Talks to one server.

    Args:
        name: what errors call the server, such as ``issuer bao``.
        address: scheme, host and port, and what comes before every path.
        clock: reads time.
        ca_file: the certificate authorities to trust, instead of those that certifi
            brings along.
    """

    def __init__(
        self, name: str, address: str, clock: Clock, ca_file: Path | None = None
    ) -> None:
        self.name = name
        self.address = address.rstrip("/")
        self._where = f"{name} at {self.address}"
        self._clock = clock
        self._transport: Transport | None = None
        with suppress(ValueError):  # `call` says so
            self._transport = Transport(origin_of(self.address), ca_file)

    def call(
        self,
        method: str,
        path: str,
        *,
        timeout: float,
        headers: Mapping[str, str] | None = None,
        secret_headers: Mapping[str, Sealed] | None = None,
        body: bytes | Sealed | None = None,
    ) -> Answer:
        """Send one request; try again only while the server cannot have seen it.

        A connection that breaks later is not tried again here: a login or a dynamic
        secret may have been made already, and the next attempt is the schedule's.

        Args:
            timeout: seconds for all of it: names, connections, TLS, attempts, and the
                answer to its last byte.
            secret_headers: those whose values are in locked memory, and stay there.

        Raises:
            IssuerUnavailable: no connection, no answer in time, or a broken one.
            UntrustedIssuer: TLS verification failed.
            BadAnswer: the answer is too large, is compressed or is a redirect.
            IssuerError: this cannot be sent.
        """
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(IssuerUnreachable),
            stop=tenacity.stop_after_delay(timeout / 2)
            | tenacity.stop_after_attempt(3),
            wait=tenacity.wait_random_exponential(0.05, max=min(0.5, timeout / 4)),
            reraise=True,
        )
        with within(self._clock, timeout) as deadline, Draft() as draft:
            if self._transport is None or not compose(
                draft,
                method,
                self._transport.origin,
                urlsplit(self.address).path + path,
                {**(headers or {}), **(secret_headers or {})},
                body,
            ):
                raise IssuerError(
                    f"{self._where} cannot be asked for {path}: not a valid request",
                    remedy="correct the address, the namespace or the path",
                )
            return retrying(self._once, self._transport, draft.sealed, deadline)

    def close(self) -> None:
        """Give the connection back."""
        if self._transport is not None:
            self._transport.close()

    def _once(
        self, transport: Transport, request: Sealed, deadline: Deadline
    ) -> Answer:
        try:
            deadline.left()  # what would be given up at once is not begun
            sent_at = self._clock.monotonic()
            with transport.connection(deadline) as connection:
                return exchange(connection, request, deadline, sent_at)
        except FAILURES as error:
            failure = broken(error, self._where)
        # Out here, because errors are kept, and the other one would be kept with it.
        raise failure
