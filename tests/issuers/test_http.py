"""The one HTTP client: what it refuses, how long it waits, what it never says."""

from __future__ import annotations

import gc
import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsecrets.errors import (
    BadAnswer,
    IssuerError,
    IssuerUnavailable,
    UntrustedIssuer,
)
from mlsecrets.issuers import _tls
from mlsecrets.issuers._answer import Answer
from mlsecrets.issuers._http import HTTPClient
from mlsecrets.issuers._incoming import MAX_ANSWER_BYTES
from mlsecrets.testing import FakeClock
from tests.issuers.peers import Peer, body_of, certificate, saying, sealed

SECRET = "s.this-must-never-be-shown"


class Handler(BaseHTTPRequestHandler):
    """Answers by path."""

    release = threading.Event()

    def do_GET(self) -> None:
        if self.path == "/redirect":
            self.send_response(307)
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()
        elif self.path == "/huge":
            self.send_response(200)
            self.end_headers()
            try:
                for _ in range(MAX_ANSWER_BYTES // 65536 + 2):
                    self.wfile.write(bytes(65536))
            except OSError:
                return  # the client hung up, as it should
        elif self.path == "/silent":
            Handler.release.wait(10)
        elif self.path == "/torn":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"short")
        else:
            body = str(self.headers.get("Authorization")).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_address[1]}"
    Handler.release.set()
    httpd.shutdown()
    httpd.server_close()
    thread.join()


@pytest.fixture
def client(server: str) -> Iterator[HTTPClient]:
    made = HTTPClient("issuer test", server, FakeClock(wall=None))
    yield made
    made.close()


def test_a_redirect_is_not_followed(client: HTTPClient) -> None:
    """The token would be sent to wherever it points."""
    with pytest.raises(BadAnswer, match="redirect"):
        client.call("GET", "/redirect", timeout=5)


def test_an_answer_without_end_is_cut_off(client: HTTPClient) -> None:
    """A wrong address must not fill the memory of a trainer."""
    with pytest.raises(BadAnswer, match="more than"):
        client.call("GET", "/huge", timeout=5)


def test_a_silent_server_is_given_up_in_time(client: HTTPClient) -> None:
    """No call hangs."""
    with pytest.raises(IssuerUnavailable, match="in time"):
        client.call("GET", "/silent", timeout=0.3)


def test_a_torn_answer_is_worth_another_try(client: HTTPClient) -> None:
    """It is no answer."""
    with pytest.raises(IssuerUnavailable, match="broke"):
        client.call("GET", "/torn", timeout=5)


def test_nothing_listens(client: HTTPClient) -> None:
    """The message names the address, the remedy what to look at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        nowhere = HTTPClient("issuer bao", address, FakeClock())
        with pytest.raises(IssuerUnavailable, match=address) as caught:
            nowhere.call("GET", "/", timeout=2, headers={"X-Vault-Token": SECRET})
        nowhere.close()
    assert "no connection" in str(caught.value)
    assert SECRET not in caught.value.diagnostics()
    # Nor does it carry the error that it was made from, whose traceback has it.
    assert caught.value.__context__ is None


def test_credentials_of_the_environment_are_not_sent(
    client: HTTPClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Usual clients take an Authorization from ~/.netrc, over the one given."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert body_of(client.call("GET", "/", timeout=5)) == b"None"


def test_the_servers_clock_is_measured(client: HTTPClient) -> None:
    """From its Date header, to a second."""
    answer = client.call("GET", "/", timeout=5)
    assert answer.skew is not None
    assert abs(answer.skew) < 5


def test_an_answer_does_not_print_its_body() -> None:
    """It may hold a secret."""
    assert SECRET not in repr(Answer(200, {}, sealed(SECRET.encode()), 0.0, 0.0, 0.0))


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
HOSTILE = {
    "nothing": b"",
    "no HTTP": b"220 mail.example ESMTP\r\n",
    "noise": bytes(range(256)) * 8,
    "half a status line": b"HTTP/1.1 20",
    "a status that is no number": b"HTTP/1.1 abc\r\n\r\n",
    "a status out of range": b"HTTP/1.1 99999 X\r\n\r\n",
    "too many headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
    "a line without end": b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000,
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nxx",
    "less than promised": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
    "chunks that are none": CHUNKED + b"zz\r\n",
    "half a chunk": CHUNKED + b"9\r\nhalf",
    "no gzip": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
    b"Content-Length: 5\r\n\r\nhello",
    "a redirect to nowhere": b"HTTP/1.1 302 Found\r\nLocation: \xff\xfe://[\r\n"
    b"Content-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("answer", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_answer_is_worth_another_try(answer: bytes) -> None:
    """A gateway, a captive portal, another server's port: none is the issuer."""
    with Peer(saying(answer)) as peer:
        client = HTTPClient("issuer bao", peer.address, FakeClock())
        with pytest.raises(IssuerUnavailable) as caught:
            client.call("GET", "/", timeout=5.0, headers={"X-Vault-Token": SECRET})
        client.close()
    assert caught.value.remedy
    assert SECRET not in caught.value.diagnostics()
    gc.collect()  # a socket that was left open is a warning, and so an error


def test_no_answer_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Not even what cannot be read of its headers."""
    told = f"HTTP/1.1 200 OK\r\nToken {SECRET}\r\n\r\n".encode()
    with Peer(saying(told)) as peer:
        client = HTTPClient("issuer bao", peer.address, FakeClock())
        with pytest.raises(IssuerUnavailable), caplog.at_level(logging.DEBUG):
            client.call("GET", "/", timeout=5.0)
        client.close()
    assert SECRET not in caplog.text


@given(st.binary(max_size=200), st.sampled_from(sorted(HOSTILE.values())))
def test_no_bytes_break_the_client(tail: bytes, head: bytes) -> None:
    """Whatever comes back is an answer or an error of ours."""
    with Peer(saying(head[:60] + tail)) as peer:
        client = HTTPClient("issuer bao", peer.address, FakeClock())
        try:
            client.call("GET", "/", timeout=5.0)
        except IssuerUnavailable as error:
            assert error.remedy  # noqa: PT017  an answer is as good
        client.close()


def test_a_redirects_body_is_not_read_without_end() -> None:
    """It is not read at all: the connection is given up."""
    head = b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n\r\n"
    with Peer(saying(head + bytes(4 * MAX_ANSWER_BYTES))) as peer:
        client = HTTPClient("issuer bao", peer.address, FakeClock())
        with pytest.raises(BadAnswer, match="redirect"):
            client.call("GET", "/", timeout=5.0)
        client.close()


def test_a_request_that_cannot_be_sent(server: str) -> None:
    """The header, which is a token here, is not quoted."""
    client = HTTPClient("issuer bao", server, FakeClock())
    with pytest.raises(IssuerError) as caught:
        client.call("GET", "/", timeout=5.0, headers={"X-Vault-Token": f"{SECRET}\nX:"})
    assert not isinstance(caught.value, IssuerUnavailable)
    assert SECRET not in caught.value.diagnostics()
    client.close()


# -- TLS -----------------------------------------------------------------------------


class TLSServer:
    """A server with one certificate."""

    def __init__(self, pem: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        self.httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.httpd.socket = context.wrap_socket(self.httpd.socket, server_side=True)
        self.httpd.handle_error = lambda *_: None  # type: ignore[method-assign]
        self.address = f"https://127.0.0.1:{self.httpd.server_address[1]}"
        self.thread = threading.Thread(target=self.httpd.serve_forever, daemon=True)

    def __enter__(self) -> TLSServer:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.httpd.shutdown()
        self.httpd.server_close()
        self.thread.join()


def call(address: str, ca_file: Path | None) -> Answer:
    client = HTTPClient("issuer bao", address, FakeClock(), ca_file)
    try:
        return client.call("GET", "/", timeout=5)
    finally:
        client.close()


def test_a_certificate_of_the_named_authority_is_trusted(tmp_path: Path) -> None:
    """ca_file replaces the system's authorities."""
    pem = certificate(tmp_path, 10)
    with TLSServer(pem) as server:
        assert call(server.address, pem).status == 200


def test_an_unknown_authority_is_refused(tmp_path: Path) -> None:
    """And the remedy is not to switch verification off."""
    with (
        TLSServer(certificate(tmp_path, 10)) as server,
        pytest.raises(UntrustedIssuer, match="self-signed") as caught,
    ):
        call(server.address, None)
    assert "ca_file" in (caught.value.remedy or "")


def test_an_expired_certificate_is_refused(tmp_path: Path) -> None:
    """By name, so that somebody renews it."""
    pem = certificate(tmp_path, -1)
    with TLSServer(pem) as server, pytest.raises(UntrustedIssuer, match="expired"):
        call(server.address, pem)


def test_a_certificate_for_another_host_is_refused(tmp_path: Path) -> None:
    """The address is part of what is verified."""
    pem = certificate(tmp_path, 10, host="127.0.0.2")
    with TLSServer(pem) as server, pytest.raises(UntrustedIssuer, match="mismatch"):
        call(server.address, pem)


def test_plain_http_where_tls_was_expected(server: str) -> None:
    """A downgrade is refused."""
    with pytest.raises(UntrustedIssuer):
        call(server.replace("http:", "https:"), None)


@pytest.mark.skipif(not _tls.CLEANSES, reason="OpenSSL before 3.0 cannot")
def test_openssl_wipes_the_plaintext_it_handed_over(tmp_path: Path) -> None:
    """Whoever vouches for the server (0x2 is SSL_OP_CLEANSE_PLAINTEXT)."""
    for ca_file in (None, certificate(tmp_path, 10)):
        assert _tls.context(ca_file).options & 0x2
