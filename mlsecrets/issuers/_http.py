"""The one HTTP client: bounded in time and size, no redirects, TLS verified."""

from __future__ import annotations

import email.utils
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import tenacity

from ..clock import Clock
from ..errors import (
    BadAnswer,
    IssuerUnavailable,
    IssuerUnreachable,
    UntrustedIssuer,
)

#: An issuer's answer is a few KiB; OpenBao's own request limit is 32 MiB.
MAX_ANSWER_BYTES = 1 << 20
#: Seconds for the TCP and TLS handshake: a little over TCP's 3 s retransmission.
CONNECT_TIMEOUT = 3.05


@dataclass(frozen=True)
class Answer:
    """A server's answer, whole and in memory.

    Attributes:
        status: the HTTP status code.
        headers: as received, case-insensitive.
        body: at most `MAX_ANSWER_BYTES`; it may hold secrets, hence no repr.
        sent_at: monotonic seconds just before the request left.
        skew: seconds by which this machine's clock is ahead of the server's ``Date``
            header; None if there was none. Whole seconds are all that header has.
        date: the server's own epoch seconds.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    sent_at: float
    skew: float | None
    date: float | None

    def __repr__(self) -> str:
        return f"<Answer {self.status}, {len(self.body)} bytes>"


class HTTPClient:
    """Talks to one server.

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
        self._clock = clock
        self._session = requests.Session()
        # Without this, requests takes an Authorization from ~/.netrc and a proxy from
        # the environment: both would send our requests somewhere else than was written.
        self._session.trust_env = False
        self._session.verify = str(ca_file) if ca_file else True

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

        Args:
            timeout: seconds for all attempts together.

        Raises:
            IssuerUnavailable: no connection, no answer in time, or a broken one.
            UntrustedIssuer: TLS verification failed.
            BadAnswer: the answer is too large or is a redirect.
        """
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(IssuerUnreachable),
            stop=tenacity.stop_after_delay(timeout / 2)
            | tenacity.stop_after_attempt(3),
            wait=tenacity.wait_random_exponential(0.05, max=0.5),
            reraise=True,
        )
        return retrying(self._once, method, path, timeout, headers or {}, body)

    def close(self) -> None:
        """Give the connections back."""
        self._session.close()

    def _once(
        self,
        method: str,
        path: str,
        timeout: float,
        headers: Mapping[str, str],
        body: bytes | None,
    ) -> Answer:
        sent_at = self._clock.monotonic()
        try:
            response = self._session.request(
                method,
                self.address + path,
                headers=dict(headers),
                data=body,
                timeout=(min(CONNECT_TIMEOUT, timeout), timeout),
                allow_redirects=False,
                stream=True,
            )
        except requests.RequestException as error:
            raise self._unreachable(error) from None
        with response:
            content = self._read(response)
        if 300 <= response.status_code < 400:
            raise BadAnswer(
                f"{self.name} at {self.address} answers with a redirect "
                f"({response.status_code}), which is not followed",
                remedy="put the address it redirects to in the manifest",
            )
        date = _date(response.headers.get("Date"))
        return Answer(
            response.status_code,
            response.headers,
            content,
            sent_at,
            None if date is None else self._clock.wall() - date,
            date,
        )

    def _read(self, response: requests.Response) -> bytes:
        content = bytearray()
        try:
            for chunk in response.iter_content(65536):
                content += chunk
                if len(content) > MAX_ANSWER_BYTES:
                    raise BadAnswer(
                        f"{self.name} at {self.address} answers with more than "
                        f"{MAX_ANSWER_BYTES} bytes",
                        remedy="check that the address is an issuer's",
                    )
        except requests.RequestException as error:
            raise self._unreachable(error) from None
        return bytes(content)

    def _unreachable(self, error: requests.RequestException) -> Exception:
        """Our error for requests' one, whose text may quote the whole request."""
        where = f"{self.name} at {self.address}"
        if isinstance(error, requests.exceptions.SSLError):
            return UntrustedIssuer(
                f"{where} could not prove who it is: {_tls_reason(error)}",
                remedy="set ca_file to the authority that signed its certificate, or "
                "correct the address; verification is never switched off",
            )
        if isinstance(error, requests.exceptions.ReadTimeout):
            return IssuerUnavailable(
                f"{where} did not answer in time",
                remedy="check the server's load and the network in between",
            )
        if isinstance(
            error, (requests.exceptions.ConnectTimeout, requests.ConnectionError)
        ) and _refused(error):
            return IssuerUnreachable(
                f"no connection to {where}",
                remedy="check that it runs, that the address is right and that no "
                "firewall is in between",
            )
        return IssuerUnavailable(
            f"the connection to {where} broke ({type(error).__name__})",
            remedy="check the server's log and the network in between",
        )


def _refused(error: BaseException) -> bool:
    """Whether the connection was never made."""
    from urllib3.exceptions import (
        ConnectTimeoutError,
        MaxRetryError,
        NewConnectionError,
    )

    reason: Any = error.args[0] if error.args else None
    if isinstance(reason, MaxRetryError):
        reason = reason.reason
    return isinstance(reason, (NewConnectionError, ConnectTimeoutError))


def _tls_reason(error: BaseException) -> str:
    """OpenSSL's own words: they name certificates, never content."""
    for word in (
        "CERTIFICATE_VERIFY_FAILED: certificate has expired",
        "self-signed certificate",
        "self signed certificate",
        "unable to get local issuer certificate",
        "certificate has expired",
        "Hostname mismatch",
        "IP address mismatch",
        "WRONG_VERSION_NUMBER",
    ):
        if word in str(error):
            return word.lower().replace("_", " ")
    return "certificate verification failed"


def _date(header: str | None) -> float | None:
    """Epoch seconds of a ``Date`` header (RFC 9110 §6.6.1), None if unreadable."""
    if header is None:
        return None
    try:
        return email.utils.parsedate_to_datetime(header).timestamp()
    except ValueError:
        return None


def retry_after(answer: Answer) -> float:
    """Seconds of a ``Retry-After`` header; 1 if absent or a date (RFC 9110 §10.2.3)."""
    try:
        return max(0.0, float(answer.headers.get("Retry-After", "1")))
    except ValueError:
        return 1.0
