"""What fails before a request is sent: certificates and names."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from pathlib import Path

import pytest

from tests.faults.certificates import Authority
from tests.faults.echo import BODY, Echo, get, send
from tests.faults.faults import (
    ExpiredTLS,
    WrongNameTLS,
)
from tests.faults.names import Name
from tests.faults.proxy import FaultProxy


def test_tls_faults_are_certificates_that_do_not_verify(
    upstream: Echo, tmp_path: Path
) -> None:
    """The authority is trusted, the certificate has expired or is somebody else's."""
    authority = Authority(tmp_path)
    trusting = ssl.create_default_context(cafile=str(authority.ca_file))

    def ask(proxy: FaultProxy) -> int:
        client = http.client.HTTPSConnection(
            "127.0.0.1", proxy.port, timeout=5, context=trusting
        )
        try:
            return send(client).status
        finally:
            client.close()

    with FaultProxy(upstream.address, tls=authority) as proxy:
        assert proxy.address.startswith("https://127.0.0.1:")
        assert ask(proxy) == 200
        for fault, reason in (
            (ExpiredTLS(), "certificate has expired"),
            (WrongNameTLS(), "IP address mismatch"),
        ):
            with (
                proxy.under(fault),
                pytest.raises(ssl.SSLCertVerificationError, match=reason),
            ):
                ask(proxy)
            assert ask(proxy) == 200


def test_a_kept_connection_does_not_outlive_a_certificate(
    upstream: Echo, tmp_path: Path
) -> None:
    """Or the fault would not be felt."""
    authority = Authority(tmp_path)
    trusting = ssl.create_default_context(cafile=str(authority.ca_file))
    with FaultProxy(upstream.address, tls=authority) as proxy:
        client = http.client.HTTPSConnection(
            "127.0.0.1", proxy.port, timeout=5, context=trusting
        )
        send(client).read()
        proxy.fault = ExpiredTLS()
        with pytest.raises((OSError, http.client.HTTPException)):
            send(client)
        client.close()


def test_a_name_can_be_lost_and_found(proxy: FaultProxy) -> None:
    """With the resolver's own error; other names are not touched."""
    with Name("bao.test") as name:

        def ask() -> int:
            client = http.client.HTTPConnection("bao.test", proxy.port, timeout=5)
            status = send(client).status
            client.close()
            return status

        assert ask() == 200
        name.error = socket.EAI_AGAIN
        with pytest.raises(socket.gaierror) as caught:
            ask()
        assert caught.value.errno == socket.EAI_AGAIN
        assert get(proxy) == BODY
        name.error = None
        assert ask() == 200
        assert name.asked == 3
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("bao.test", 80)


def test_a_resolver_may_say_nothing_at_all() -> None:
    """Until it answers again."""
    with Name("bao.test") as name:
        name.silent = True
        found: list[object] = []
        asking = threading.Thread(
            target=lambda: found.extend(socket.getaddrinfo("bao.test", 80))
        )
        asking.start()
        asking.join(timeout=0.1)
        assert asking.is_alive()
        assert not found
        name.silent = False
        asking.join(timeout=5)
        assert found
