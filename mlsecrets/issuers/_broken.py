"""Which of our errors a broken connection is: all are worth another try.

The texts of requests and urllib3 may quote the whole request, so nothing of them is
passed on but the kinds of error.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator

from requests import RequestException
from urllib3.exceptions import (
    ConnectTimeoutError,
    NameResolutionError,
    NewConnectionError,
    ReadTimeoutError,
    SSLError,
)

from ..errors import IssuerUnavailable, IssuerUnreachable, UntrustedIssuer

_LATE = (TimeoutError, ReadTimeoutError)
_UNMADE = (NewConnectionError, ConnectTimeoutError)
#: Cut off in the middle of TLS, which says nothing about who it was.
_TORN = (ssl.SSLEOFError, ssl.SSLZeroReturnError)


def broken(error: Exception, where: str) -> IssuerUnavailable:
    """The error to raise.

    Args:
        error: what requests or urllib3 raised, or a socket.
        where: the server, such as ``issuer bao at https://...``.
    """
    causes = list(_causes(error))

    def among(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    if among(NameResolutionError):
        return IssuerUnreachable(
            f"no connection to {where}: its name has no address",
            remedy="check the address, and that this machine's DNS answers",
        )
    if among(*_UNMADE):
        return IssuerUnreachable(
            f"no connection to {where}",
            remedy="check that it runs, that the address is right and that no "
            "firewall is in between",
        )
    if among(*_LATE):
        return IssuerUnavailable(
            f"{where} did not answer in time",
            remedy="check the server's load and the network in between",
        )
    if among(ssl.SSLError, SSLError) and not among(*_TORN):
        return UntrustedIssuer(
            f"{where} could not prove who it is: {_tls_reason(error)}",
            remedy="set ca_file to the authority that signed its certificate, or "
            "correct the address; verification is never switched off",
        )
    if isinstance(error, OSError) and not isinstance(error, RequestException):
        # Requests looks for the file of authorities before it connects.
        return UntrustedIssuer(
            f"{where} cannot be verified: ca_file cannot be read",
            remedy="put the file of certificate authorities back, as PEM",
        )
    return IssuerUnavailable(
        f"the connection to {where} broke ({type(causes[-1]).__name__})",
        remedy="check the server's log and the network in between",
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and those it was made from, the first cause last."""
    yield error
    for inner in (*error.args, getattr(error, "reason", None)):
        if isinstance(inner, BaseException):
            yield from _causes(inner)


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
