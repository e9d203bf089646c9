"""A leased session: the server sees the true value, everybody else a placeholder."""

from __future__ import annotations

import contextlib
import io
import logging
import pickle
import threading
from collections.abc import Iterator
from hashlib import sha256
from http.client import HTTPConnection
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from mlsecrets.credentials import UsernamePassword
from mlsecrets.errors import LeaseError, NotLeased
from mlsecrets.exposure import Exposure, How
from mlsecrets.http import LateAdapter, LateSession
from mlsecrets.memory import Draft, live_mappings
from tests.issuers.peers import FINE, Peer, read_request, saying

if TYPE_CHECKING:
    from .conftest import Held
    from .far import Far

LATE = (Exposure("requests", "token", How.LATE),)


def test_the_server_sees_the_true_value(
    held: Held, far: Far, session: requests.Session
) -> None:
    """And nobody before the socket does, over plain HTTP and TLS alike."""
    answer = session.get(far.url("a"))
    assert answer.json()["fields"]["authorization"] == held.digest()
    signed = answer.request.headers["Authorization"]
    assert signed == "Bearer " + held.creds.placeholder()
    assert held.creds.exposure == LATE


def test_each_request_has_the_newest_generation(
    held: Held, far: Far, session: requests.Session
) -> None:
    """The session, its connection and the placeholder stay what they are."""
    digests, placeholders = set(), set()
    for _ in range(3):
        found = session.get(far.url("b")).json()["fields"]["authorization"]
        assert found == held.digest()
        digests.add(found)
        placeholders.add(held.creds.placeholder())
        held.replace()
    assert (len(digests), len(placeholders)) == (3, 1)


def test_any_header_may_carry_it(
    held: Held, far: Far, session: requests.Session
) -> None:
    """Then the session does not sign besides."""
    mine = {"X-Vault-Token": held.creds.placeholder("token")}
    fields = session.get(far.url("c"), headers=mine).json()["fields"]
    assert fields["x-vault-token"] == held.digest("")
    assert "authorization" not in fields


def test_a_password_is_sent_as_basic(held: Held, far: Far) -> None:
    """User and password of one generation, encoded in locked memory."""
    creds = held.begin(far.address, kind=UsernamePassword)
    with creds.http_session() as session, Draft() as draft:
        session.verify = far.ca_file
        found = session.get(far.url("d")).json()["fields"]["authorization"]
        credentials = held.live.snapshot().credentials
        user = credentials.public["username"].encode()
        draft.add("Basic ").add_base64(user, b":", credentials.sealed("password"))
        with draft.sealed.reading() as view:
            assert found == sha256(view).hexdigest()
    assert creds.exposure == (Exposure("requests", "password", How.LATE),)


def test_a_placeholder_that_a_library_encoded_is_found(
    held: Held, far: Far, session: requests.Session
) -> None:
    """As ``auth=(user, password)`` does."""
    pair = ("ann", held.creds.placeholder())
    found = session.get(far.url("e"), auth=pair).json()["fields"]["authorization"]
    with Draft() as draft:
        sealed = held.live.snapshot().credentials.sealed("token")
        draft.add("Basic ").add_base64(b"ann:", sealed)
        with draft.sealed.reading() as view:
            assert found == sha256(view).hexdigest()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(lambda: b"12345", id="bytes"),
        pytest.param(lambda: io.BytesIO(b"12345"), id="file"),
        pytest.param(lambda: iter([b"123", b"45"]), id="generator"),
    ],
)
def test_bodies_are_sent_as_they_are(
    held: Held, far: Far, session: requests.Session, body: object
) -> None:
    """Whole, streamed or in chunks."""
    assert callable(body)
    answer = session.post(far.url("f"), data=body()).json()
    assert answer["body"] == sha256(b"12345").hexdigest()
    assert answer["fields"]["authorization"] == held.digest()


def test_a_401_is_answered_once_with_a_newer_token(
    held: Held, far: Far, session: requests.Session
) -> None:
    """The body is sent again from where it began."""
    body = io.BytesIO(b"skipped-sent")
    body.seek(len("skipped-"))
    first = held.digest()
    path = f"refuse/1/{far.address[:5]}"
    answer = session.post(far.url(path), data=body)
    assert [old.status_code for old in answer.history] == [401]
    assert answer.json()["body"] == sha256(b"sent").hexdigest()
    sent = [one["fields"]["authorization"] for one in far.seen(path)]
    assert sent == [first, held.digest()]
    assert held.live.snapshot().terms.generation == 2


def test_a_second_401_is_the_callers(
    held: Held, far: Far, session: requests.Session
) -> None:
    """No loop: a token that was just made is not the trouble."""
    path = f"refuse/100/{far.address[:5]}"
    assert session.get(far.url(path)).status_code == 401
    assert len(far.seen(path)) == 2


def test_a_body_that_is_gone_is_not_sent_again(
    held: Held, far: Far, session: requests.Session
) -> None:
    """The caller gets the 401, and the next request a newer token."""
    path = f"refuse/1/gone/{far.address[:5]}"
    assert session.post(far.url(path), data=iter([b"x"])).status_code == 401
    assert session.post(far.url(path), data=iter([b"x"])).status_code == 200


def test_retries_are_signed_anew(held: Held, plain: Far) -> None:
    """Also those that urllib3 makes below: their token may have been replaced."""
    heads: list[bytes] = []

    def behave(connection: object) -> None:
        heads.append(read_request(connection))  # type: ignore[arg-type]  # a socket
        if len(heads) == 1:
            held.replace()
            answer = (
                b"HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
        else:
            answer = FINE
        connection.sendall(answer)  # type: ignore[attr-defined]  # a socket

    with Peer(behave) as peer, held.begin(peer.address).http_session() as session:
        for adapter in session.adapters.values():
            assert isinstance(adapter, HTTPAdapter)
            adapter.max_retries = Retry(1, status_forcelist=[503], backoff_factor=0)
        assert session.get(peer.address).status_code == 200
    first, second = (
        next(line for line in head.split(b"\r\n") if line.startswith(b"Authorization"))
        for head in heads
    )
    assert first != second
    assert sha256(second.partition(b": ")[2]).hexdigest() == held.digest()


def test_it_goes_to_no_other_place(held: Held, plain: Far, tls: Far) -> None:
    """Refused before a connection is made, whatever header it is in."""
    with held.begin(tls.address).http_session() as session:
        before = len(plain.seen("g"))
        for headers in ({}, {"X-Token": held.creds.placeholder()}):
            with pytest.raises(NotLeased, match=plain.address):
                session.get(plain.url("g"), headers=headers)
        assert len(plain.seen("g")) == before


def test_a_redirect_elsewhere_does_not_take_it_along(
    held: Held, plain: Far, tls: Far
) -> None:
    """`requests` drops its own header then, but no other."""
    elsewhere = quote(plain.url("h"), safe="")
    with held.begin(tls.address).http_session() as session:
        session.verify = tls.ca_file
        mine = {"X-Token": held.creds.placeholder()}
        with pytest.raises(NotLeased, match=plain.address):
            session.get(tls.url(f"to/{elsewhere}"), headers=mine)
        assert plain.seen("h") == []
        session.get(tls.url(f"to/{elsewhere}"))
    (bare,) = plain.seen("h")
    assert "authorization" not in bare["fields"]


def test_a_redirect_within_the_place_takes_it_along(
    held: Held, far: Far, session: requests.Session
) -> None:
    """As `requests` does."""
    answer = session.get(far.url("to/" + quote(far.url("i"), safe="")))
    assert answer.json()["fields"]["authorization"] == held.digest()


def test_a_refusal_is_not_taken_for_a_broken_connection(
    held: Held, far: Far, session: requests.Session
) -> None:
    """urllib3 retries those, and `requests` wraps them."""
    for adapter in session.adapters.values():
        assert isinstance(adapter, HTTPAdapter)
        adapter.max_retries = Retry(5, backoff_factor=100)
    with pytest.raises(NotLeased, match="it has token"):
        session.get(far.url("w"), headers={"X-Token": "~mlsecrets~far~password~"})


def test_a_proxy_that_would_read_it_gets_nothing(held: Held, plain: Far) -> None:
    """A request by way of a forwarding proxy is in clear text there."""
    received: list[bytes] = []
    with (
        Peer(lambda connection: received.append(read_request(connection))) as proxy,
        held.begin(plain.address).http_session() as session,
    ):
        session.trust_env = False
        session.proxies = {"http": proxy.address}
        with pytest.raises(NotLeased, match="proxy"):
            session.get(plain.url("j"))
    assert received == []


def test_a_tunnel_is_no_trouble(held: Held, tls: Far) -> None:
    """The proxy is asked to connect, without a credential, and sees TLS only."""
    asked: list[bytes] = []

    def tunnel(connection: object) -> None:
        import socket

        assert isinstance(connection, socket.socket)
        asked.append(read_request(connection))
        port = int(tls.address.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as onward:
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            back = threading.Thread(target=pump, args=(onward, connection))
            back.start()
            pump(connection, onward)
            back.join()

    with (
        Peer(tunnel) as proxy,
        held.begin(tls.address).http_session() as session,
    ):
        session.trust_env, session.verify = False, tls.ca_file
        session.proxies = {"https": proxy.address}
        answer = session.get(tls.url("k")).json()
    assert answer["fields"]["authorization"] == held.digest()
    assert asked[0].startswith(b"CONNECT ")
    assert b"uthorization" not in asked[0]


def pump(source: object, target: object) -> None:
    """Pass on what comes until nothing does."""
    import socket

    assert isinstance(source, socket.socket)
    assert isinstance(target, socket.socket)
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def test_a_placeholder_in_body_or_url_is_refused(
    held: Held, far: Far, session: requests.Session
) -> None:
    """Nothing is put in its place there, so that would be a request gone wrong."""
    text = held.creds.placeholder()
    for request in (
        {"json": {"token": text}},
        {"data": {"token": text}},
        {"data": text.encode()},
        {"params": {"token": text}},
    ):
        with pytest.raises(LeaseError, match="expected in a header"):
            session.post(far.url("l"), **request)
    assert far.seen("l") == []


def test_a_placeholder_in_a_folded_header_is_refused(
    held: Held, far: Far, session: requests.Session
) -> None:
    """Such lines (RFC 9112 §5.2) are read in several ways."""
    folded = {"X-Token": "a\r\n " + held.creds.placeholder()}
    with pytest.raises((LeaseError, requests.exceptions.InvalidHeader)):
        session.get(far.url("m2"), headers=folded)
    assert far.seen("m2") == []


def test_a_placeholder_that_was_cut_is_refused(
    held: Held, far: Far, session: requests.Session
) -> None:
    """Half of one would be sent as it is."""
    for text in (held.creds.placeholder()[:-1], "~mlsecrets~Far~token~"):
        with pytest.raises(LeaseError, match="cut or changed"):
            session.get(far.url("m"), headers={"X-Token": text})
    assert far.seen("m") == []


def test_a_field_that_is_not_there_is_refused(
    held: Held, far: Far, session: requests.Session
) -> None:
    """Here, and already by the lease."""
    with pytest.raises(NotLeased, match="it has token"):
        session.get(far.url("n"), headers={"X-Token": "~mlsecrets~far~password~"})
    with pytest.raises(ValueError, match=r"bearer credentials \(token\)"):
        held.creds.placeholder("password")
    assert far.seen("n") == []


@pytest.mark.parametrize("text", ["four\r\nX-Admin: yes", "nought\0byte", "stop\there"])
def test_a_value_that_is_more_than_a_value_is_refused(
    held: Held, far: Far, session: requests.Session, text: str
) -> None:
    """It could add a header of its own."""
    held.issuer.text = text
    held.replace()
    with pytest.raises(LeaseError, match="control character") as refused:
        session.get(far.url("o"))
    assert text[:4] not in refused.value.diagnostics()
    assert far.seen("o") == []


def test_after_its_end_nothing_is_sent(
    held: Held, far: Far, session: requests.Session
) -> None:
    """A session outlives its lease, but signs nothing any more."""
    session.get(far.url("p"))
    held.live.close()
    with pytest.raises(LeaseError):
        session.get(far.url("p"))
    assert len(far.seen("p")) == 1


def test_logs_and_traces_have_the_placeholder(
    held: Held,
    plain: Far,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever level is on, http.client's own printing too."""
    monkeypatch.setattr(HTTPConnection, "debuglevel", 1)
    caplog.set_level(logging.DEBUG)
    with held.begin(plain.address).http_session() as session:
        answer = session.get(plain.url("q"))
    text = held.live.snapshot().credentials.reveal("token")
    printed = capsys.readouterr().out
    assert held.creds.placeholder() in printed
    everything = printed + caplog.text + repr(vars(answer)) + repr(vars(session))
    assert text not in everything


def test_an_audit_hook_sees_the_placeholder(
    held: Held, plain: Far, audited: list[bytes]
) -> None:
    """`sys.audit` tells of http.client's messages (PEP 578)."""
    with held.begin(plain.address).http_session() as session:
        session.get(plain.url("r"))
    assert any(held.creds.placeholder().encode() in message for message in audited)


@pytest.fixture(scope="module")
def _hook() -> list[list[bytes]]:
    import sys

    listening: list[list[bytes]] = []

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if listening and event == "http.client.send":
            assert isinstance(arguments[1], bytes)
            listening[0].append(arguments[1])

    sys.addaudithook(hook)  # for ever: there is no way to take one away
    return listening


@pytest.fixture
def audited(_hook: list[list[bytes]]) -> Iterator[list[bytes]]:
    """What http.client says that it sends."""
    found: list[bytes] = []
    _hook.append(found)
    yield found
    _hook.clear()


def test_many_threads_share_a_session(held: Held, far: Far) -> None:
    """Sixteen of them, while the credentials are replaced under them."""
    allowed: set[str] = set()
    failures: list[BaseException] = []
    found: set[str] = set()
    done = threading.Event()

    def work(session: requests.Session) -> None:
        try:
            for _ in range(12):
                answer = session.get(far.url("s"), timeout=10)
                found.add(answer.json()["fields"]["authorization"])
        except BaseException as error:
            failures.append(error)

    def replace() -> None:
        while not done.wait(0.01):
            held.replace()
            allowed.add(held.digest())

    with held.begin(far.address).http_session() as session:
        session.verify = far.ca_file
        allowed.add(held.digest())
        workers = [threading.Thread(target=work, args=(session,)) for _ in range(16)]
        keeper = threading.Thread(target=replace)
        for thread in [*workers, keeper]:
            thread.start()
        for thread in workers:
            thread.join()
        done.set()
        keeper.join()
    assert failures == []
    assert len(found) > 1
    assert found <= allowed


def test_it_pickles_without_a_secret(
    held: Held, far: Far, session: requests.Session
) -> None:
    """A worker's copy signs with what the worker reads."""
    text = held.live.snapshot().credentials.reveal("token")
    raw = pickle.dumps(session)
    assert text.encode() not in raw
    with pickle.loads(raw) as again:
        found = again.get(far.url("t")).json()["fields"]["authorization"]
    assert found == held.digest()


def test_the_leases_auth_is_late_on_such_a_session(
    held: Held, far: Far, session: requests.Session
) -> None:
    """Where the session would reveal nothing, it does not either."""
    answer = session.get(far.url("u"), auth=held.creds.auth())
    assert answer.json()["fields"]["authorization"] == held.digest()
    assert held.creds.exposure == LATE


def test_a_session_made_late_keeps_what_it_had(held: Held, far: Far) -> None:
    """Its headers, retries and adapters of its own, for hosts that make sessions."""

    class Counting(HTTPAdapter):
        sent = 0

        def send(self, *args: object, **options: object) -> requests.Response:
            Counting.sent += 1
            return super().send(*args, **options)  # type: ignore[arg-type]

    creds = held.begin(far.address)
    with requests.Session() as session:
        session.verify, session.headers["X-Mine"] = far.ca_file, "yes"
        for prefix in ("http://", "https://"):
            session.mount(prefix, Counting(max_retries=3))
        with LateSession.like(session, "somebody") as late:
            answer = late.get(far.url("v"), auth=creds.auth())
            adapter = late.get_adapter(far.address)
        # The other is as it was.
        assert not isinstance(session.get_adapter(far.address), LateAdapter)
    assert answer.json()["fields"]["authorization"] == held.digest()
    assert answer.json()["fields"]["x-mine"] == sha256(b"yes").hexdigest()
    assert isinstance(adapter, Counting)
    assert (Counting.sent, adapter.max_retries.total) == (1, 3)
    assert creds.exposure == (Exposure("somebody", "token", How.LATE),)


def test_a_session_without_a_lease_is_an_ordinary_one(held: Held) -> None:
    """It adds nothing to requests that nobody signs."""
    heads: list[bytes] = []

    def behave(connection: object) -> None:
        heads.append(read_request(connection))  # type: ignore[arg-type]  # a socket
        connection.sendall(FINE)  # type: ignore[attr-defined]  # a socket

    with Peer(behave) as peer, LateSession() as session:
        assert session.get(peer.address).status_code == 200
    assert b"uthorization" not in heads[0]


def test_its_locked_memory_is_wiped_and_given_back(held: Held, plain: Far) -> None:
    """Wiped after each request, failed or not; given back with the session."""
    before = len(list(live_mappings()))
    with (
        Peer(saying(b"")) as broken,
        held.begin(plain.address, broken.address).http_session() as session,
    ):
        before += 1  # the token's own
        with pytest.raises(requests.exceptions.ConnectionError):
            session.get(broken.address)
        assert session.get(plain.url("x")).ok
        assert len(list(live_mappings())) == before + 1
        adapter = session.get_adapter(plain.address)
        assert isinstance(adapter, LateAdapter)
        (draft,) = adapter._drafts._idle
        with draft._buffer.reading() as view:
            assert not any(view)
    assert len(list(live_mappings())) == before
