"""Every call ends in time, and no connection is used twice that should not be."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlsecrets.clock import SYSTEM_CLOCK, Clock
from mlsecrets.errors import (
    IssuerError,
    IssuerUnavailable,
    IssuerUnreachable,
    UntrustedIssuer,
)
from mlsecrets.issuers import _connection, _resolve
from mlsecrets.issuers._connection import MAX_IDLE
from mlsecrets.issuers._deadline import within
from mlsecrets.issuers._http import HTTPClient
from mlsecrets.testing import FakeClock
from tests.issuers.peers import (
    FINE,
    Peer,
    body_of,
    certificate,
    read_request,
    saying,
)

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"


@contextmanager
def client(
    peer: Peer, clock: Clock, ca_file: Path | None = None
) -> Iterator[HTTPClient]:
    made = HTTPClient("issuer bao", peer.address, clock, ca_file)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def lasts_at_most(seconds: float) -> Iterator[None]:
    """By the real clock; a busy machine is given some seconds more."""
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < seconds + 3.0


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize(
    "head",
    [b"", HEAD[:20], HEAD, HEAD + b"x" * 500],
    ids=["status", "headers", "body", "end"],
)
def test_an_answer_in_drips_is_cut_off_at_the_deadline(
    tls: bool, head: bytes, tmp_path: Path
) -> None:
    """A byte now and then keeps every single wait short, but not the sum of them."""
    clock = FakeClock()
    answer = HEAD + b"x" * 1000
    dripped: list[int] = []

    def drip(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(head)
        for byte in answer[len(head) :]:
            clock.advance(1.0)
            connection.send(bytes([byte]))
            dripped.append(byte)
            time.sleep(0.001)  # lets the client read it alone

    pem = certificate(tmp_path, 10) if tls else None
    with (
        Peer(drip, pem) as peer,
        client(peer, clock, pem) as http,
        pytest.raises(IssuerUnavailable, match="in time"),
    ):
        http.call("GET", "/", timeout=20.0)
    assert 19 <= len(dripped) < 400


def test_a_drip_is_cut_off_by_the_real_clock_too() -> None:
    """The same without a fake."""

    def drip(connection: socket.socket) -> None:
        read_request(connection)
        for byte in HEAD:
            connection.send(bytes([byte]))
            time.sleep(0.1)

    with (
        Peer(drip) as peer,
        client(peer, SYSTEM_CLOCK) as http,
        lasts_at_most(0.3),
        pytest.raises(IssuerUnavailable, match="in time"),
    ):
        http.call("GET", "/", timeout=0.3)


@pytest.mark.parametrize("tls", [False, True])
def test_a_server_that_accepts_and_says_nothing(tls: bool, tmp_path: Path) -> None:
    """No request is answered, or no handshake is."""
    done = threading.Event()

    def silent(connection: socket.socket) -> None:
        done.wait(5)

    with Peer(silent) as peer:
        address = peer.address.replace("http:", "https:") if tls else peer.address
        http = HTTPClient("issuer bao", address, SYSTEM_CLOCK)
        # Long enough to be connected, to make a TLS context first as well.
        with lasts_at_most(1.0), pytest.raises(IssuerUnavailable, match="in time"):
            http.call("GET", "/", timeout=1.0)
        http.close()
        done.set()


def test_repeated_attempts_share_one_budget() -> None:
    """Refused connections are tried again, but not past the end of the call."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        http = HTTPClient("issuer bao", address, SYSTEM_CLOCK)
        with lasts_at_most(0.2), pytest.raises(IssuerUnreachable):
            http.call("GET", "/", timeout=0.2)
        http.close()


def test_the_shorter_of_two_budgets_counts() -> None:
    """A login inside a call, a lookup inside a call: all within the call's own time."""
    clock = FakeClock()
    with within(clock, 5.0) as outer:
        clock.advance(3.0)
        with within(clock, 10.0) as inner:
            assert inner.left() == pytest.approx(2.0)
        with within(clock, 1.0) as inner:
            assert inner.left() == pytest.approx(1.0)
        assert outer.left() == pytest.approx(2.0)
        clock.advance(2.0)
        with pytest.raises(TimeoutError):
            outer.left()


def test_no_time_left_means_no_request() -> None:
    """What would be given up at once is not begun."""
    clock = FakeClock()
    with Peer(saying(FINE)) as peer, client(peer, clock) as http:
        with within(clock, 5.0):
            clock.advance(5.0)
            with pytest.raises(IssuerUnavailable, match="in time"):
                http.call("GET", "/", timeout=5.0)
        assert peer.connections == 0


# -- names ---------------------------------------------------------------------------


def known(monkeypatch: pytest.MonkeyPatch, ask: Callable[[], list[str]]) -> None:
    """Only bao.example is resolved, and it by `ask`."""
    real = socket.getaddrinfo

    def getaddrinfo(
        host: str,
        port: int,
        family: int = 0,
        type: int = 0,  # noqa: A002  the names of the real one
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:
        if host != "bao.example" or flags & socket.AI_NUMERICHOST:
            return real(host, port, family, type, proto, flags | socket.AI_NUMERICHOST)
        return [found for ip in ask() for found in real(ip, port, family, type)]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_a_resolver_that_hangs_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It takes no timeout of its own, and the system's is half a minute."""
    release = threading.Event()

    def hang() -> list[str]:
        release.wait(5)
        return ["127.0.0.1"]

    known(monkeypatch, hang)
    http = HTTPClient("issuer bao", "http://bao.example", SYSTEM_CLOCK)
    with lasts_at_most(0.2), pytest.raises(IssuerUnreachable, match="no connection"):
        http.call("GET", "/", timeout=0.2)
    http.close()
    release.set()


def test_a_name_is_resolved_where_no_thread_is_to_be_had(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Python 3.12 starts none at the interpreter's exit, where leases are revoked."""

    class Refused(threading.Thread):
        def start(self) -> None:
            raise RuntimeError("can't create new thread at interpreter shutdown")

    known(monkeypatch, lambda: ["127.0.0.1"])
    monkeypatch.setattr(_resolve, "threading", SimpleNamespace(Thread=Refused))
    with Peer(saying(FINE)) as peer:
        http = HTTPClient("issuer x", f"http://bao.example:{peer.port}", FakeClock())
        assert http.call("GET", "/", timeout=5.0).status == 200
        http.close()


def test_a_name_without_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Says so, because the remedy is another than for a server that is down."""

    def unknown() -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    known(monkeypatch, unknown)
    http = HTTPClient("issuer bao", "http://bao.example", FakeClock())
    with pytest.raises(IssuerUnreachable, match="no address") as caught:
        http.call("GET", "/", timeout=1.0)
    assert "DNS" in (caught.value.remedy or "")
    http.close()


@pytest.mark.parametrize("host", ["x" * 64 + ".example", "a..b", "-"])
def test_what_is_no_name_is_an_error_of_ours(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the reader of addresses finds it or the resolver."""
    known(monkeypatch, list)
    http = HTTPClient("issuer bao", f"http://{host}", FakeClock())
    with pytest.raises(IssuerError) as caught:
        http.call("GET", "/", timeout=0.5)
    assert caught.value.remedy
    http.close()


def test_all_addresses_of_a_name_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first may be of a network that is not there."""
    known(monkeypatch, lambda: ["127.0.0.2", "127.0.0.1"])
    with Peer(saying(FINE)) as peer:
        http = HTTPClient("issuer x", f"http://bao.example:{peer.port}", FakeClock())
        assert http.call("GET", "/", timeout=5.0).status == 200
        http.close()


# -- which connection ------------------------------------------------------------------


def polite(connection: socket.socket) -> None:
    """Answers request after request on one connection."""
    while True:
        read_request(connection)
        connection.sendall(FINE)


def test_a_connection_is_used_again_while_it_is_fresh() -> None:
    """No handshake for each of two calls in a row; an old one may be forgotten."""
    clock = FakeClock()
    with Peer(polite) as peer, client(peer, clock) as http:
        http.call("GET", "/", timeout=5.0)
        clock.advance(MAX_IDLE - 1)
        http.call("GET", "/", timeout=5.0)
        assert peer.connections == 1
        clock.advance(MAX_IDLE + 1)
        http.call("GET", "/", timeout=5.0)
        assert peer.connections == 2


def test_a_connection_that_the_server_closed_costs_nothing() -> None:
    """The issuer was restarted in between."""
    closed = threading.Event()

    def once(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(FINE)
        connection.close()
        closed.set()

    with Peer(once) as peer, client(peer, FakeClock()) as http:
        for _ in range(2):
            closed.clear()
            assert http.call("GET", "/", timeout=5.0).status == 200
            assert closed.wait(5)
        assert peer.connections == 2


@pytest.mark.parametrize(
    "sent", [b"", HEAD[:20], HEAD + b"half"], ids=["nothing", "headers", "body"]
)
def test_a_connection_in_the_middle_of_an_answer_is_not_used_again(sent: bytes) -> None:
    """What is left of the old answer would be taken for the next one."""
    gone = threading.Event()

    def first_hangs(connection: socket.socket) -> None:
        read_request(connection)
        if peer.connections > 1:
            connection.sendall(FINE)
            return
        connection.sendall(sent)
        assert connection.recv(1) == b""  # the client hangs up
        gone.set()

    with Peer(first_hangs) as peer, client(peer, SYSTEM_CLOCK) as http:
        with pytest.raises(IssuerUnavailable, match="in time"):
            http.call("GET", "/", timeout=0.2)
        assert gone.wait(5)
        assert body_of(http.call("GET", "/", timeout=5.0)) == b"{}"
        assert peer.connections == 2


def test_threads_may_call_at_once() -> None:
    """Each has a connection of its own; one of them is kept."""
    meet = threading.Barrier(4, timeout=5)

    def together(connection: socket.socket) -> None:
        read_request(connection)
        meet.wait()  # for the others to have sent theirs
        connection.sendall(FINE)
        polite(connection)

    with Peer(together) as peer, client(peer, FakeClock()) as http:
        statuses: list[int] = []

        def call() -> None:
            statuses.append(http.call("GET", "/", timeout=5.0).status)

        threads = [threading.Thread(target=call) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert statuses == [200] * 4
        call()
        assert peer.connections == 4


def test_a_closed_client_keeps_no_connection() -> None:
    """It still answers, for what is under way then."""
    with Peer(polite) as peer, client(peer, FakeClock()) as http:
        http.close()
        for _ in range(2):
            assert http.call("GET", "/", timeout=5.0).status == 200
        assert peer.connections == 2


def test_a_forked_child_does_not_speak_on_its_parents_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two processes in one conversation would get each other's answers."""
    with Peer(polite) as peer, client(peer, FakeClock()) as http:
        http.call("GET", "/", timeout=5.0)
        parent = os.getpid()
        monkeypatch.setattr(
            _connection, "os", SimpleNamespace(getpid=lambda: parent + 1)
        )
        http.call("GET", "/", timeout=5.0)
        assert peer.connections == 2


# -- TLS -------------------------------------------------------------------------------


def test_a_handshake_that_is_torn_says_nothing_about_who_it_was() -> None:
    """A server that is being restarted is not taken for an impostor."""

    def hang_up(connection: socket.socket) -> None:
        connection.recv(65536)  # all of it, or the end would be a reset

    with Peer(hang_up) as peer:
        http = HTTPClient(
            "issuer bao", peer.address.replace("http:", "https:"), FakeClock()
        )
        with pytest.raises(IssuerUnavailable, match="broke") as caught:
            http.call("GET", "/", timeout=5.0)
        http.close()
    assert not isinstance(caught.value, UntrustedIssuer)


def test_a_ca_file_that_is_gone(tmp_path: Path) -> None:
    """Nothing is sent, and the reader is told which file."""
    pem = certificate(tmp_path, 10)
    with Peer(saying(FINE), pem) as peer:
        gone = tmp_path / "gone.pem"
        with client(peer, FakeClock(), gone) as http:
            with pytest.raises(UntrustedIssuer, match="ca_file") as caught:
                http.call("GET", "/", timeout=5.0)
            assert caught.value.remedy
            gone.write_bytes(pem.read_bytes())
            assert http.call("GET", "/", timeout=5.0).status == 200
        assert peer.connections == 1
