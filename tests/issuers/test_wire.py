"""Answers in every shape HTTP has, in whatever pieces they come; and requests."""

from __future__ import annotations

import copy
import gzip
import pickle
import re
import socket
from collections.abc import Callable, Iterator
from http.client import HTTPException
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsecrets._origin import origin_of
from mlsecrets.errors import BadAnswer, IssuerError, IssuerUnavailable
from mlsecrets.issuers._answer import Answer
from mlsecrets.issuers._broken import TooLarge
from mlsecrets.issuers._connection import Connection
from mlsecrets.issuers._deadline import Deadline
from mlsecrets.issuers._exchange import exchange
from mlsecrets.issuers._http import HTTPClient
from mlsecrets.issuers._incoming import (
    FIRST_SIZE,
    MAX_ANSWER_BYTES,
    MAX_HEAD_BYTES,
)
from mlsecrets.issuers._request import compose
from mlsecrets.memory import Draft, SecretBuffer, live_mappings
from mlsecrets.testing import FakeClock
from tests.issuers.peers import FINE, Peer, body_of, saying, sealed

SECRET = b"s.this-must-never-be-shown"
OK = b"HTTP/1.1 200 OK\r\n"
REQUEST = sealed(b"GET / HTTP/1.1\r\n\r\n")
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


class Pieces(Connection):
    """A connection that gives an answer in pieces, then its end."""

    def __init__(self, *pieces: bytes) -> None:
        self.reusable = False
        self._pieces = [piece for piece in pieces if piece]

    def send(self, data: memoryview, deadline: Deadline) -> None:
        """To nobody."""

    def receive(self, room: memoryview, deadline: Deadline) -> int:
        if not self._pieces:
            return 0
        piece = self._pieces.pop(0)
        if len(piece) > len(room):
            self._pieces.insert(0, piece[len(room) :])
            piece = piece[: len(room)]
        room[: len(piece)] = piece
        return len(piece)


def read(connection: Pieces) -> Answer:
    clock = FakeClock()
    return exchange(connection, REQUEST, Deadline(clock, 60.0), 0.0)


@st.composite
def chunked(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A body, and the same in chunks with all that may stand between them."""
    chunks = draw(st.lists(st.binary(min_size=1, max_size=300), max_size=8))
    extensions = st.sampled_from([b"", b";a", b" ;a=b", b';a="b"'])
    endings = st.sampled_from([b"\r\n", b"\n"])
    wire = b""
    for chunk in chunks:
        wire += b"%x%b%b" % (len(chunk), draw(extensions), draw(endings))
        wire += chunk + b"\r\n"
    trailers = draw(st.sampled_from([b"", b"X: y\r\n", b"X: y\r\nZ:\r\n"]))
    return b"".join(chunks), wire + b"0" + draw(extensions) + b"\r\n" + trailers


@st.composite
def answers(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A body, and an answer with it whose end is marked."""
    if draw(st.booleans()):
        body, wire = draw(chunked())
        return body, CHUNKED + wire + b"\r\n"
    body = draw(st.binary(max_size=3 * FIRST_SIZE))
    return body, OK + b"Content-Length: %d\r\n\r\n" % len(body) + body


def cut(raw: bytes, places: list[int]) -> list[bytes]:
    at = sorted({0, len(raw), *(place % (len(raw) + 1) for place in places)})
    return [raw[start:end] for start, end in pairwise(at)]


PLACES = st.lists(st.integers(0, 1 << 16), max_size=12)


@given(answers(), PLACES)
def test_a_body_is_the_same_in_whatever_pieces_it_comes(
    answer: tuple[bytes, bytes], places: list[int]
) -> None:
    """The network cuts where it likes: in a head, a length, between CR and LF."""
    body, raw = answer
    connection = Pieces(*cut(raw, places))
    with read(connection) as read_answer:
        assert body_of(read_answer) == body
    assert connection.reusable


def test_a_byte_at_a_time() -> None:
    """The finest of all cuts."""
    raw = CHUNKED + b"3;x\r\nabc\r\n2\r\nde\r\n0\r\nX: y\r\n\r\n"
    with read(Pieces(*(bytes([byte]) for byte in raw))) as answer:
        assert body_of(answer) == b"abcde"


@given(answers(), st.integers(1, 1 << 16))
def test_half_an_answer_is_none(answer: tuple[bytes, bytes], missing: int) -> None:
    """However little is missing; and nothing of it is left, or in the error."""
    raw = answer[1]
    before = list(live_mappings())
    with pytest.raises(HTTPException) as caught:
        read(Pieces(raw[: len(raw) - 1 - missing % len(raw)]))
    assert list(live_mappings()) == before
    assert len(str(caught.value)) < 40


@given(st.binary(max_size=3 * FIRST_SIZE), PLACES)
def test_a_body_may_end_with_its_connection(body: bytes, places: list[int]) -> None:
    """HTTP/1.0 knows no other way; that connection is not used again."""
    connection = Pieces(*cut(b"HTTP/1.0 200 OK\r\n\r\n" + body, places))
    with read(connection) as answer:
        assert body_of(answer) == body
    assert not connection.reusable


@pytest.mark.parametrize("size", [FIRST_SIZE, 5 * FIRST_SIZE, MAX_ANSWER_BYTES])
@pytest.mark.parametrize("framing", ["length", "chunks", "end"])
def test_a_body_larger_than_the_first_buffer(size: int, framing: str) -> None:
    """The buffer grows; those before are wiped and given back."""
    body = bytes(range(251)) * (size // 251 + 1)
    body = body[:size]
    raw = {
        "length": OK + b"Content-Length: %d\r\n\r\n" % size + body,
        "chunks": CHUNKED + b"%x\r\n" % size + body + b"\r\n0\r\n\r\n",
        "end": OK + b"\r\n" + body,
    }[framing]
    before = len(list(live_mappings()))
    with read(Pieces(raw)) as answer:
        assert body_of(answer) == body
        assert len(list(live_mappings())) == before + 1
    with pytest.raises(Exception, match="closed"):
        body_of(answer)


@pytest.mark.parametrize("framing", ["length", "chunks", "end"])
def test_no_framing_gets_more_than_the_limit_in(framing: str) -> None:
    """An announced length is not even waited for."""
    raw = {
        "length": OK + b"Content-Length: 999999999999\r\n\r\n",
        "chunks": CHUNKED + b"fffffff\r\n",
        "end": OK + b"\r\n" + bytes(MAX_ANSWER_BYTES + 1),
    }[framing]
    with pytest.raises(TooLarge):
        read(Pieces(raw))


def test_chunks_of_next_to_nothing() -> None:
    """A short body in very many pieces keeps the processor busy, not the network."""
    with pytest.raises(HTTPException):
        read(Pieces(CHUNKED + b"1\r\nx\r\n" * MAX_HEAD_BYTES))


@pytest.mark.parametrize("status", [b"100 Continue", b"103 Early Hints"])
def test_an_interim_answer_is_not_the_answer(status: bytes) -> None:
    """Another follows (RFC 9110 §15.2)."""
    interim = b"HTTP/1.1 " + status + b"\r\nLink: </x>\r\n\r\n"
    with read(Pieces(interim + interim + FINE)) as answer:
        assert (answer.status, body_of(answer)) == (200, b"{}")


@pytest.mark.parametrize(
    ("head", "reusable"),
    [
        (b"Content-Length: 2\r\n", True),
        (b"content-length: 2\r\nContent-Length: 2\r\n", True),
        (b"Content-Length: 2, 2\r\n", False),  # odd, but no contradiction
        (b"Content-Length: 2\r\nConnection: close\r\n", False),
        (b"Content-Length: 1\r\n", False),  # and a byte that nobody asked for
    ],
)
def test_which_connections_are_used_again(head: bytes, reusable: bool) -> None:
    """Only those on which nothing is left to come."""
    connection = Pieces(OK + head + b"\r\n{}")
    read(connection).close()
    assert connection.reusable is reusable


def test_a_length_beside_chunks_is_not_believed() -> None:
    """Somebody in between may have read the other one: no second answer (§6.1)."""
    both = OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    connection = Pieces(both + b"2\r\n{}\r\n0\r\n\r\n")
    with read(connection) as answer:
        assert body_of(answer) == b"{}"
    assert not connection.reusable


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 1\r\nContent-Length: 2\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: 1_0\r\n",
        b"Content-Length:\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        b"Content Length: 2\r\n",
        b"no colon\r\n",
        b": no name\r\n",
        b"X: a\rb\r\n",
        b"X: \0\r\n",
    ],
)
def test_a_head_that_two_readers_might_understand_differently(head: bytes) -> None:
    """Is no answer."""
    with pytest.raises(HTTPException):
        read(Pieces(OK + head + b"\r\n{}"))


@pytest.mark.parametrize(
    "chunk", [b"-1", b"0x1", b"1_0", b"+1", b"", b" 1", b"\xb2", b"123456789"]
)
def test_a_chunk_whose_length_is_none(chunk: bytes) -> None:
    """`int` would take some of these."""
    with pytest.raises(HTTPException):
        read(Pieces(CHUNKED + chunk + b"\r\nx\r\n0\r\n\r\n"))


def test_a_compressed_answer_is_refused() -> None:
    """To unpack it would make copies; it was not asked for."""
    body = gzip.compress(b"{}")
    head = b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    with Peer(saying(OK + head + body)) as peer:
        client = HTTPClient("issuer bao", peer.address, FakeClock())
        with pytest.raises(BadAnswer, match="compressed") as caught:
            client.call("GET", "/", timeout=5.0)
        client.close()
    assert caught.value.remedy
    identity = OK + b"Content-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}"
    read(Pieces(identity)).close()


# -- requests --------------------------------------------------------------------------


@pytest.fixture
def asked() -> Iterator[tuple[Peer, list[bytes]]]:
    """A server, and what it was sent."""
    heard: list[bytes] = []

    def listen(connection: socket.socket) -> None:
        received = b""
        while not received.endswith(b"END"):
            received += connection.recv(65536)
        heard.append(received)
        connection.sendall(FINE)

    with Peer(listen) as peer:
        yield peer, heard


def test_what_is_sent(asked: tuple[Peer, list[bytes]]) -> None:
    """Every byte of it: no header more, no cookie, no Authorization from elsewhere."""
    peer, heard = asked
    client = HTTPClient("issuer bao", f"{peer.address}/gate/", FakeClock())
    client.call(
        "POST",
        "/v1/a b/\u00fc?x=%20&y=[1]#z",
        timeout=5.0,
        headers={"X-Vault-Namespace": "caf\u00e9"},
        secret_headers={"X-Vault-Token": sealed(SECRET)},
        body=sealed(b'{"a": "END'),
    ).close()
    client.close()
    assert heard == [
        b"POST /gate/v1/a%20b/%C3%BC?x=%20&y=%5B1%5D%23z HTTP/1.1\r\n"
        b"Host: 127.0.0.1:" + str(peer.port).encode() + b"\r\n"
        b"Accept-Encoding: identity\r\n"
        b"User-Agent: mlsecrets\r\n"
        b"X-Vault-Namespace: caf\xe9\r\n"
        b"X-Vault-Token: " + SECRET + b"\r\n"
        b"Content-Length: 10\r\n"
        b"\r\n"
        b'{"a": "END'
    ]


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("http://bao.example", b"bao.example"),
        ("http://bao.example:80", b"bao.example"),
        ("https://BAO.example:8200/x", b"bao.example:8200"),
        ("http://[::1]:8200", b"[::1]:8200"),
    ],
)
def test_the_host_that_is_asked_for(address: str, host: bytes) -> None:
    """Without the port that goes without saying; IPv6 in brackets (RFC 9110 §7.2)."""
    with Draft() as draft:
        assert compose(draft, "GET", origin_of(address), "/", {}, None)
        with draft.sealed.reading() as view:
            assert b"\r\nHost: " + host + b"\r\n" in bytes(view)


def test_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address in brackets is connected to as it is."""
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 loopback here")
    with listener:
        client = HTTPClient(
            "issuer bao", f"http://[::1]:{listener.getsockname()[1]}", FakeClock()
        )
        with pytest.raises(IssuerUnavailable, match="in time"):
            client.call("GET", "/", timeout=0.1)  # nobody answers, but it is there
        client.close()


@given(st.binary(max_size=40))
def test_a_sealed_header_is_checked_where_it_is(value: bytes) -> None:
    """What could end the header's line, or the request, is refused."""
    whole = re.fullmatch(rb"[\t -~\x80-\xff]*", value) is not None
    with Draft() as draft:
        sent = compose(
            draft, "GET", origin_of("http://a"), "/", {"X": sealed(value)}, None
        )
    assert sent == (whole and value == value.strip(b" \t"))


@pytest.mark.parametrize(
    "ask",
    [
        lambda http: http.call(
            "GET", "/", timeout=1.0, secret_headers={"X": sealed(SECRET + b"\rY: z")}
        ),
        lambda http: http.call("GET", "/", timeout=1.0, headers={"X": "a\nY: z"}),
        lambda http: http.call("GET", "/", timeout=1.0, headers={"X\n": "a"}),
        lambda http: http.call("GET", "/", timeout=1.0, headers={"X": "\u20ac"}),
        lambda http: http.call("GET /", "/", timeout=1.0),
    ],
    ids=["sealed", "value", "name", "character", "method"],
)
def test_what_cannot_be_sent_is_not(ask: Callable[[HTTPClient], Answer]) -> None:
    """Nobody is connected to, and the error quotes nothing."""
    with Peer(saying(FINE)) as peer:
        client = HTTPClient("issuer bao", peer.address, FakeClock())
        with pytest.raises(IssuerError, match="not a valid request") as caught:
            ask(client)
        client.close()
        assert peer.connections == 0
    assert not isinstance(caught.value, IssuerUnavailable)
    assert SECRET.decode() not in caught.value.diagnostics()


def test_a_request_is_wiped_when_it_was_sent() -> None:
    """With its token; only the answer's memory is left, until it is closed."""
    before = len(list(live_mappings()))
    token = SecretBuffer.of(SECRET)
    with Peer(saying(FINE)) as peer:
        client = HTTPClient("issuer bao", peer.address, FakeClock())
        sent = {"X-Vault-Token": sealed(b"x")}
        answer = client.call("GET", "/", timeout=5.0, secret_headers=sent)
        client.close()
    del sent
    token.close()
    assert len(list(live_mappings())) == before + 1
    answer.close()
    assert len(list(live_mappings())) == before


# -- answers ---------------------------------------------------------------------------


def test_an_answer_is_wiped_when_it_is_dropped() -> None:
    """By whoever forgets to close it."""
    before = len(list(live_mappings()))
    answer = read(Pieces(FINE))
    assert len(list(live_mappings())) == before + 1
    del answer
    assert len(list(live_mappings())) == before


def test_an_answer_does_not_travel() -> None:
    """Its memory is this process's."""
    with read(Pieces(FINE)) as answer:
        for send in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="an answer does not"):
                send(answer)
