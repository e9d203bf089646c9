"""How servers are verified, and what OpenSSL keeps of what they say."""

from __future__ import annotations

import functools
import ssl
from pathlib import Path

import certifi

from ._broken import NoAuthorities

# openssl/ssl.h; the ssl module has no name for it.
_SSL_OP_CLEANSE_PLAINTEXT = 0x2
#: Whether OpenSSL wipes the plaintext that it handed over (SSL_CTX_set_options(3):
#: from 3.0 on). Without that, its buffer of records keeps the answer until the next.
CLEANSES = ssl.OPENSSL_VERSION_INFO >= (3,)


def context(ca_file: Path | None) -> ssl.SSLContext:
    """How to talk to servers that these authorities vouch for.

    Args:
        ca_file: as PEM, read anew for each connection, since it may be replaced; None
            for those that certifi brings along.

    Raises:
        NoAuthorities: it cannot be read.
    """
    return _of_certifi() if ca_file is None else _of(ca_file)


@functools.cache  # it takes 10 ms to read, and does not change
def _of_certifi() -> ssl.SSLContext:
    return _of(Path(certifi.where()))


def _of(ca_file: Path) -> ssl.SSLContext:
    try:
        made = ssl.create_default_context(cafile=str(ca_file))
    except OSError:
        raise NoAuthorities("no certificate authorities") from None
    made.set_alpn_protocols(["http/1.1"])
    if CLEANSES:
        made.options |= _SSL_OP_CLEANSE_PLAINTEXT
    return made
