"""The one HTTP client: bounded in time and size, no redirects, TLS verified."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import requests
import tenacity
import urllib3

from ..clock import Clock
from ..errors import BadAnswer, IssuerError, IssuerUnreachable
from ._answer import Answer
from ._broken import broken
from ._deadline import Deadline, within
from ._transport import BoundedAdapter

#: An issuer's answer is a few KiB; OpenBao's own request limit is 32 MiB.
MAX_ANSWER_BYTES = 1 << 20
#: What requests and urllib3 raise for a connection that does not work. Both let some
#: of the other's through, ValueError among them for headers that make no sense.
_FAILURES = (OSError, urllib3.exceptions.HTTPError, ValueError)


class HTTPClient:
    """Talks to one server.

    Requests' session is left out on purpose: it takes an Authorization from ~/.netrc
    and a proxy from the environment, which would send our requests somewhere else than
    was written; it keeps cookies, and reads a redirect's body whatever its size.

    Args:
        name: what errors call the server, such as ``issuer bao``.
        address: scheme, host and port.
        ca_file: the certificate authorities to trust, instead of those that `requests`
            brings along (certifi).
        clock: reads time.
    """

    def __init__(
        self, name: str, address: str, clock: Clock, ca_file: Path | None = None
    ) -> None:
        self.name = name
        self.address = address.rstrip("/")
        self._where = f"{name} at {self.address}"
        self._clock = clock
        self._adapter = BoundedAdapter(pool_connections=1)
        self._verify: bool | str = str(ca_file) if ca_file else True

    def call(
        self,
        method: str,
        path: str,
        *,
        timeout: float,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """Send one request; try again only while the server cannot have seen it.

        A connection that breaks later is not tried again here: a login or a dynamic
        secret may have been made already, and the next attempt is the schedule's.

        Args:
            timeout: seconds for all of it: names, connections, TLS, attempts, and the
                answer to its last byte.

        Raises:
            IssuerUnavailable: no connection, no answer in time, or a broken one.
            UntrustedIssuer: TLS verification failed.
            BadAnswer: the answer is too large or is a redirect.
        """
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(IssuerUnreachable),
            stop=tenacity.stop_after_delay(timeout / 2)
            | tenacity.stop_after_attempt(3),
            wait=tenacity.wait_random_exponential(0.05, max=min(0.5, timeout / 4)),
            reraise=True,
        )
        with within(self._clock, timeout) as deadline:
            request = self._prepared(method, path, headers or {}, body)
            return retrying(self._once, request, deadline)

    def close(self) -> None:
        """Give the connections back."""
        self._adapter.close()

    def _prepared(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> requests.PreparedRequest:
        # What it raises quotes the header, which may be a token: it is left behind.
        with suppress(ValueError):
            return requests.Request(
                method, self.address + path, headers=dict(headers), data=body
            ).prepare()
        raise IssuerError(
            f"{self._where} cannot be asked for {path}: not a valid request",
            remedy="correct the address, the namespace or the path",
        )

    def _once(self, request: requests.PreparedRequest, deadline: Deadline) -> Answer:
        try:
            return self._exchange(request, deadline)
        except _FAILURES as error:
            failure = broken(error, self._where)
        # Out here, because errors are kept, and the other one would be kept with it:
        # its traceback holds the request, and that its token.
        raise failure

    def _exchange(
        self, request: requests.PreparedRequest, deadline: Deadline
    ) -> Answer:
        sent_at = self._clock.monotonic()
        response = self._adapter.send(
            request,
            stream=True,
            # The connections keep the deadline by themselves; see `_transport`.
            timeout=deadline.left(),
            verify=self._verify,
        )
        received_at, wall = self._clock.monotonic(), self._clock.wall()
        with response:
            content = self._read(response)
        if 300 <= response.status_code < 400:
            raise BadAnswer(
                f"{self._where} answers with a redirect ({response.status_code}), "
                "which is not followed",
                remedy="put the address it redirects to in the manifest",
            )
        return Answer(
            response.status_code, response.headers, content, sent_at, received_at, wall
        )

    def _read(self, response: requests.Response) -> bytes:
        content = bytearray()
        for chunk in response.iter_content(65536):
            content += chunk
            if len(content) > MAX_ANSWER_BYTES:
                raise BadAnswer(
                    f"{self._where} answers with more than {MAX_ANSWER_BYTES} bytes",
                    remedy="check that the address is an issuer's",
                )
        return bytes(content)
