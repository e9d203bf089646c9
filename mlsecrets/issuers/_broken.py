"""What may be wrong with a connection or an answer, and which of our errors it is.

All of them are worth another try. Nothing of the original's text is passed on but
OpenSSL's words about certificates: it may quote what was received.
"""

from __future__ import annotations

import ssl
from http.client import HTTPException

from ..errors import BadAnswer, IssuerUnavailable, IssuerUnreachable, UntrustedIssuer

#: What a connection that does not work, or an answer that is none, raises.
FAILURES = (OSError, HTTPException)
#: Cut off in the middle of TLS, which says nothing about who it was.
_TORN = (ssl.SSLEOFError, ssl.SSLZeroReturnError)


class NoAddress(OSError):
    """The host's name has no address, or nobody could say which."""


class NoConnection(OSError):
    """Nobody accepted, or not in time: the server cannot have seen anything."""


class NoAuthorities(OSError):
    """The file of certificate authorities cannot be read."""


class Malformed(HTTPException):
    """What came is not HTTP as we accept it."""


class Compressed(HTTPException):
    """The body is encoded, which was not asked for."""


class Redirected(HTTPException):
    """The answer is to be had elsewhere, where nobody said that we may go.

    Args:
        status: the HTTP status code.
    """

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class TooLarge(HTTPException):
    """The answer is longer than any issuer's.

    Args:
        limit: bytes that it may have.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit


def broken(error: Exception, where: str) -> IssuerUnavailable:
    """The error to raise.

    Args:
        error: one of `FAILURES`.
        where: the server, such as ``issuer bao at https://...``.
    """
    if isinstance(error, NoAddress):
        return IssuerUnreachable(
            f"no connection to {where}: its name has no address",
            remedy="check the address, and that this machine's DNS answers",
        )
    if isinstance(error, NoConnection):
        return IssuerUnreachable(
            f"no connection to {where}",
            remedy="check that it runs, that the address is right and that no "
            "firewall is in between",
        )
    if isinstance(error, NoAuthorities):
        return UntrustedIssuer(
            f"{where} cannot be verified: ca_file cannot be read",
            remedy="put the file of certificate authorities back, as PEM",
        )
    if isinstance(error, TimeoutError):
        return IssuerUnavailable(
            f"{where} did not answer in time",
            remedy="check the server's load and the network in between",
        )
    if isinstance(error, ssl.SSLError) and not isinstance(error, _TORN):
        return UntrustedIssuer(
            f"{where} could not prove who it is: {_tls_reason(error)}",
            remedy="set ca_file to the authority that signed its certificate, or "
            "correct the address; verification is never switched off",
        )
    if isinstance(error, Redirected):
        return BadAnswer(
            f"{where} answers with a redirect ({error.status}), which is not followed",
            remedy="put the address it redirects to in the manifest",
        )
    if isinstance(error, TooLarge):
        return BadAnswer(
            f"{where} answers with more than {error.limit} bytes",
            remedy="check that the address is an issuer's",
        )
    if isinstance(error, Compressed):
        return BadAnswer(
            f"{where} answers with a compressed body, which was not asked for",
            remedy="switch compression off in the gateway or proxy in between",
        )
    return IssuerUnavailable(
        f"the connection to {where} broke ({type(error).__name__})",
        remedy="check the server's log and the network in between",
    )


def _tls_reason(error: ssl.SSLError) -> str:
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
