"""Every fault is what it says, and is over when it is over."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time

import pytest

from tests.faults.echo import BODY, get, send
from tests.faults.faults import (
    OVERSIZE,
    BlackHole,
    Fault,
    Garbage,
    Latency,
    OversizeBody,
    Refuse,
    Reset,
    SlowDrip,
    Status,
    Throttle,
    Truncate,
    WrongContentType,
    bao_says,
)
from tests.faults.proxy import FaultProxy


def test_slow_drip_sends_a_byte_at_a_time(
    proxy: FaultProxy, client: http.client.HTTPConnection
) -> None:
    """No single wait is long: only a bound on the whole call ends it."""
    proxy.fault = SlowDrip(bytes_per_second=50)
    client.request("GET", "/x")
    time.sleep(0.3)
    assert 2 <= len(client.sock.recv(1000)) <= 40
    proxy.fault = None  # and the rest comes at once
    rest = b""
    while not rest.endswith(BODY):
        rest += client.sock.recv(1000)


def test_truncate_announces_more_than_it_sends(proxy: FaultProxy) -> None:
    """The head is the real one."""
    proxy.fault = Truncate()
    with pytest.raises(http.client.IncompleteRead) as caught:
        get(proxy)
    assert caught.value.partial == BODY[: len(BODY) // 2]


def test_truncate_cuts_the_head_where_there_is_no_body(
    proxy: FaultProxy, client: http.client.HTTPConnection
) -> None:
    """A 204 has nothing else to cut."""
    proxy.fault = Truncate()
    client.request("DELETE", "/x")
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        client.getresponse()


def test_garbage_is_no_http(proxy: FaultProxy) -> None:
    """And none of it is the answer."""
    proxy.fault = Garbage()
    with pytest.raises(http.client.HTTPException):
        get(proxy)


def test_garbage_may_have_a_head(proxy: FaultProxy) -> None:
    """Then only who reads the body notices."""
    proxy.fault = Garbage(head=True)
    with pytest.raises(ValueError, match=r"codec|Expecting"):
        json.loads(get(proxy))


def test_an_oversize_body_is_whole(proxy: FaultProxy) -> None:
    """Its size is all that is wrong with it."""
    proxy.fault = OversizeBody()
    body = get(proxy)
    assert len(body) == OVERSIZE > 1 << 20
    assert json.loads(body) == {}


def test_a_web_page_instead(
    proxy: FaultProxy, client: http.client.HTTPConnection
) -> None:
    """With a 200, as captive portals answer."""
    proxy.fault = WrongContentType()
    answer = send(client, "POST", "/x", b"sent")
    assert (answer.status, answer.headers.get_content_type()) == (200, "text/html")
    assert b"<html>" in answer.read()


@pytest.mark.parametrize(
    ("fault", "kind", "retry_after"),
    [
        (Status(502), "text/html", None),
        (Status(503, bao_says("Vault is sealed")), "application/json", None),
        (Status(503, "<ErrorResponse/>", 7), "text/xml", "7"),
        (Throttle(3), "application/json", "3"),
    ],
)
def test_errors_are_what_the_server_or_a_gateway_says(
    proxy: FaultProxy,
    client: http.client.HTTPConnection,
    fault: Fault,
    kind: str,
    retry_after: str | None,
) -> None:
    """Status, type and Retry-After."""
    proxy.fault = fault
    answer = send(client)
    assert answer.status == (429 if isinstance(fault, Throttle) else fault.code)  # type: ignore[attr-defined]
    assert answer.headers.get_content_type() == kind
    assert answer.headers["Retry-After"] == retry_after
    assert answer.read()


def test_latency_is_late_and_right(proxy: FaultProxy) -> None:
    """Only time is lost."""
    proxy.fault = Latency(0.2)
    started = time.monotonic()
    assert get(proxy) == BODY
    assert time.monotonic() - started >= 0.2


def test_a_fault_may_choose_its_requests(proxy: FaultProxy) -> None:
    """By method and path."""
    with proxy.under(Status(500), only=lambda method, path: path == "/sick"):
        assert get(proxy, "/well") == BODY
        with pytest.raises(AssertionError):
            get(proxy, "/sick")
    assert get(proxy, "/sick") == BODY


@pytest.mark.parametrize(
    "fault",
    [
        Refuse(),
        Reset(),
        BlackHole(),
        Truncate(),
        Garbage(),
        OversizeBody(),
        WrongContentType(),
        Status(503),
        Throttle(60),
        Latency(60),
        SlowDrip(1),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_after_healing_requests_work(proxy: FaultProxy, fault: Fault) -> None:
    """On fresh connections; those that were under way end, one way or the other."""
    proxy.fault = fault
    hanging = threading.Thread(target=_try, args=(proxy,))
    hanging.start()
    threading.Event().wait(0.05)
    proxy.fault = None
    assert get(proxy) == BODY
    hanging.join(timeout=5)
    assert not hanging.is_alive()


def _try(proxy: FaultProxy) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException, AssertionError):
        get(proxy)
