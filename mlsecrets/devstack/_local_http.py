"""HTTP to our own engines: never through a proxy, whatever this machine has set."""

from __future__ import annotations

from typing import Any

import requests

#: Seconds for a question whose answer may be "not yet".
PROBE_TIMEOUT = 1.0


def call(
    method: str, url: str, *, timeout: float = 30.0, **options: Any
) -> requests.Response:
    """One request on a connection of its own; `options` are those of requests.

    Args:
        timeout: in seconds.
    """
    with requests.Session() as session:
        # Neither HTTP_PROXY, which may not know our loopback, nor ~/.netrc, whose
        # password would replace a signature that is being forwarded.
        session.trust_env = False
        return session.request(
            method, url, timeout=timeout, allow_redirects=False, **options
        )


def healthy(url: str) -> bool:
    """Whether it answers with 200 by now."""
    try:
        return call("GET", url, timeout=PROBE_TIMEOUT).status_code == 200
    except requests.RequestException:
        return False
