"""The proxy itself: not there until it fails, and gone when it is closed."""

from __future__ import annotations

import http.client
import socket
import threading

import pytest

from tests.faults.echo import BODY, Echo, get, send
from tests.faults.faults import (
    BlackHole,
    Refuse,
    Reset,
)
from tests.faults.proxy import FaultProxy

SECRET = "s.this-must-never-be-kept"


# -- without a fault -----------------------------------------------------------------


def test_without_a_fault_it_is_not_there(client: http.client.HTTPConnection) -> None:
    """Bodies both ways, repeated headers, kept-alive connections, 204 and HEAD."""
    for _ in range(2):
        answer = send(client)
        assert answer.read() == BODY
        assert answer.headers.get_all("Set-Cookie") == ["a=1", "b=2"]
        assert answer.headers["Transfer-Encoding"] is None
    first = client.sock
    assert send(client, "POST", "/y", b"sent").read() == b"sent"
    answer = send(client, "DELETE", "/z")
    assert (answer.status, answer.read()) == (204, b"")
    answer = send(client, "HEAD", "/z")
    assert (answer.headers["Content-Length"], answer.read()) == ("12345", b"")
    assert client.sock is first


def test_it_counts_requests_and_keeps_no_secret(
    proxy: FaultProxy, client: http.client.HTTPConnection
) -> None:
    """Queries, headers and bodies may be secrets: only methods and paths are kept."""
    headers = {"X-Vault-Token": SECRET}
    client.request("POST", f"/v1/a?X-Amz-Signature={SECRET}", SECRET, headers)
    client.getresponse().read()
    send(client, "GET", "/v1/b").read()
    assert proxy.seen == [("POST", "/v1/a"), ("GET", "/v1/b")]
    assert proxy.count("/v1") == 2
    assert proxy.count("/v1", "GET") == 1
    assert SECRET not in repr(vars(proxy))


def test_a_server_that_is_gone_looks_gone(upstream: Echo) -> None:
    """The proxy makes up no answer of its own."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        gone = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with (
            FaultProxy(gone) as proxy,
            pytest.raises((http.client.RemoteDisconnected, ConnectionError)),
        ):
            get(proxy)


def test_it_leaves_nothing_behind(upstream: Echo) -> None:
    """No thread and no listener, also with clients that hang."""
    before = threading.active_count()
    with FaultProxy(upstream.address) as proxy:
        proxy.fault = BlackHole()
        clients = [
            http.client.HTTPConnection("127.0.0.1", proxy.port) for _ in range(3)
        ]
        for client in clients:
            client.request("GET", "/x")
        clients.append(http.client.HTTPConnection("127.0.0.1", proxy.port))
        clients[-1].connect()  # and says nothing
        while len(proxy.seen) < 3:
            threading.Event().wait(0.01)
    for client in clients:
        client.close()
    assert "fault-proxy" not in {thread.name for thread in threading.enumerate()}
    assert threading.active_count() <= before
    with pytest.raises(ConnectionRefusedError):
        get(proxy)


# -- connections ---------------------------------------------------------------------


def test_refuse_refuses_and_ends_what_there_is(
    proxy: FaultProxy, client: http.client.HTTPConnection
) -> None:
    """Nothing is listening at all, for kept-alive connections neither."""
    send(client).read()
    proxy.fault = Refuse()
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError)):
        send(client)
    for _ in range(3):
        with pytest.raises(ConnectionRefusedError):
            get(proxy)
    proxy.fault = None
    assert get(proxy) == BODY


def test_refuse_comes_and_goes_at_the_same_port(proxy: FaultProxy) -> None:
    """As often as one likes."""
    port = proxy.port
    for _ in range(20):
        with proxy.under(Refuse()), pytest.raises(ConnectionRefusedError):
            get(proxy)
        assert get(proxy) == BODY
    assert proxy.port == port


@pytest.mark.parametrize("forwarded", [False, True])
def test_reset_is_a_real_reset(
    proxy: FaultProxy, upstream: Echo, forwarded: bool
) -> None:
    """ECONNRESET, not an end of file; before or after the server acted."""
    proxy.fault = Reset(forwarded)
    with pytest.raises(ConnectionResetError):
        get(proxy, "/reset")
    assert upstream.asked == ["/reset"] * forwarded


@pytest.mark.parametrize("forwarded", [False, True])
def test_a_black_hole_says_nothing_until_it_is_healed(
    proxy: FaultProxy, upstream: Echo, forwarded: bool
) -> None:
    """It accepts, reads, and lets the client wait."""
    proxy.fault = BlackHole(forwarded)
    with pytest.raises(TimeoutError):
        get(proxy, "/hole", timeout=0.1)
    threading.Timer(0.1, setattr, (proxy, "fault", None)).start()
    with pytest.raises(http.client.RemoteDisconnected):
        get(proxy, "/hole")
    assert upstream.asked == ["/hole", "/hole"] * forwarded
