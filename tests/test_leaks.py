"""A value that holds a live secret is refused, however it is nested and written."""

from __future__ import annotations

import base64
import dataclasses
import functools
import json
import logging
import os
import secrets
import string
import threading
from argparse import Namespace
from array import array
from collections import ChainMap, UserDict, defaultdict, deque, namedtuple
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlsecrets import AWSCredentials, BearerToken, Credentials, UsernamePassword
from mlsecrets.credentials import live_credentials, rebuild
from mlsecrets.errors import MLSecretsError, SecretLeak
from mlsecrets.grant import Grant, Terms
from mlsecrets.leaks import find_secrets, refuse_secrets, withhold_from_logs
from mlsecrets.leaks._spellings import spellings
from mlsecrets.memory import SecretBuffer, count_copies

from .life import World

TOKEN = "tok/en+" + secrets.token_hex(20) + "/Qq=="


@dataclasses.dataclass
class Options:
    url: str
    token: Any


class Slotted:
    __slots__ = ("token",)

    def __init__(self, token: str) -> None:
        self.token = token


class Plain:
    def __init__(self, token: str) -> None:
        self.token = token


class Kept(Plain):
    """What it is pickled as holds no secret."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Kept, ("",))


Pair = namedtuple("Pair", ["user", "token"])  # noqa: PYI024  (as users write it)


def closure(token: str) -> Any:
    def setup() -> str:
        return token

    return setup


def default(token: str) -> Any:
    def setup(value: str = token) -> str:
        return value

    return setup


def one_of(token: str) -> Enum:
    class Choice(Enum):
        ONLY = token

    return Choice.ONLY


CONTAINERS: dict[str, tuple[Any, str]] = {
    "value": (lambda t: t, ""),
    "dict": (lambda t: {"token": t}, "token"),
    "key": (lambda t: {t: 1}, "(a key)"),
    "odd key": (lambda t: {"a b": {3: t}}, "['a b'][3]"),
    "tuple key": (lambda t: {(1, 2): t}, "[tuple]"),
    "list": (lambda t: [1, [2.0, t]], "[1][1]"),
    "tuple": (lambda t: (None, t), "[1]"),
    "set": (lambda t: {t}, "[None]"),
    "frozenset": (lambda t: {"a": frozenset([t])}, "a[None]"),
    "deque": (lambda t: deque([t]), "[0]"),
    "namedtuple": (lambda t: Pair("me", t), "token"),
    "dataclass": (lambda t: Options("s3://", {"deep": t}), "token.deep"),
    "namespace": (
        lambda t: Namespace(options=SimpleNamespace(token=t)),
        "options.token",
    ),
    "defaultdict": (lambda t: defaultdict(dict, token=t), "token"),
    "user's mapping": (lambda t: UserDict({"token": t}), "token"),
    "chain": (lambda t: ChainMap({}, {"token": t}), "token"),
    "proxy": (lambda t: MappingProxyType({"token": t}), "token"),
    "path": (lambda t: Path("/tmp") / t.replace("/", "_"), "path"),
    "enum": (one_of, "value"),
    "exception": (lambda t: ValueError("no", t), "args[1]"),
    "partial": (lambda t: functools.partial(print, sep=t), "keywords.sep"),
    "closure": (closure, "token"),
    "default": (default, "__defaults__[0]"),
    "method": (lambda t: BoundTo(t).run, "__self__.token"),
    "slots": (Slotted, "token"),
    "object": (lambda t: {"options": Plain(t)}, "options.token"),
    "bytes": (lambda t: {"header": b"Bearer " + t.encode()}, "header"),
    "bytearray": (lambda t: bytearray(t.encode()), ""),
    "memoryview": (lambda t: [memoryview(t.encode())], "[0]"),
    "array": (lambda t: array("b", t.encode()), ""),
    "inside": (lambda t: f"https://user:{t}@host/", ""),
}


class BoundTo(Plain):
    def run(self) -> None:
        """Do nothing."""


@pytest.fixture
def token() -> Iterator[str]:
    """A live one, without a slash, so that it can be the name of a file."""
    value = secrets.token_hex(20)
    held = lease_of(BearerToken.of(value))
    yield value
    held.close()


def lease_of(credentials: Credentials, scope: str = "train-data") -> Credentials:
    """Credentials as a lease would hold them."""
    return Grant(Terms(scope, "id", 0.0, 60.0, 60.0), credentials).credentials


@pytest.mark.parametrize("name", CONTAINERS)
def test_it_is_found_in_any_container(name: str, token: str) -> None:
    """With the way to it, and named by its lease and field."""
    build, path = CONTAINERS[name]
    refuse_secrets(build("0" * 40), "a log")
    (finding,) = find_secrets(build(token))
    assert (finding.path, finding.field, finding.scope) == (path, "token", "train-data")
    with pytest.raises(SecretLeak):
        refuse_secrets(build(token), "a log")


def test_the_error_says_what_and_where_and_not_the_value(token: str) -> None:
    """Also where a key of the path is itself a secret."""
    with pytest.raises(SecretLeak) as caught:
        refuse_secrets({token: {"storage_options": [token]}}, "hparams.yaml")
    said = caught.value.diagnostics()
    assert "hparams.yaml would hold token of lease train-data at " in said
    assert "what to do" in said
    (_, inner) = find_secrets({token: {"storage_options": [token]}})
    assert inner.path == "[a key that is one].storage_options[0]"
    assert token not in said + repr(inner) + str(inner)
    assert isinstance(caught.value, MLSecretsError)


def test_its_traceback_holds_the_value_in_no_frame_of_ours(token: str) -> None:
    """A handler that prints local variables prints the caller's, not ours."""
    with pytest.raises(SecretLeak) as caught:
        refuse_secrets({"token": token}, "a log")
    frames = [entry.frame.f_locals for entry in caught.traceback[1:]]
    assert frames
    assert token not in repr(frames)


@pytest.mark.parametrize("length", range(3))
def test_basic_authentication_is_seen_through(token: str, length: int) -> None:
    """Base64 of a longer text, whatever the length of what precedes."""
    header = "Basic " + base64.b64encode(b"u" * length + b":" + token.encode()).decode()
    (finding,) = find_secrets({"Authorization": header})
    assert finding.form == "base64"


WRITTEN: dict[str, Any] = {
    "as it is": lambda t: t,
    "hex": lambda t: t.encode().hex(),
    "upper hex": lambda t: t.encode().hex().upper(),
    "base64": lambda t: base64.b64encode(t.encode()).decode(),
    "url-safe base64": lambda t: base64.urlsafe_b64encode(t.encode()).decode(),
    "quoted": quote,
    "quoted wholly": lambda t: quote(t, safe=""),
    "form": quote_plus,
    "json": json.dumps,
    "json with slashes": lambda t: json.dumps(t).replace("/", "\\/"),
    "json of json": lambda t: base64.b64encode(json.dumps({"t": t}).encode()).decode(),
}


@pytest.mark.parametrize("how", WRITTEN)
@settings(max_examples=40)
@given(
    secret=st.text(string.ascii_letters + string.digits + '+/=._-"\\', min_size=16),
    before=st.text(max_size=30),
    after=st.text(max_size=30),
)
def test_it_is_found_however_it_is_written(
    how: str, secret: str, before: str, after: str
) -> None:
    """Inside of any other text, and as bytes."""
    if len(set(secret)) < 8:  # rows of the same letter count only alone
        secret += "aBcDeFgH"
    if how == "json of json" and set(secret) & set('"\\'):
        secret = secret.replace('"', "q").replace("\\", "b") + "aBcDeFgH"
    held = BearerToken.of(secret)
    try:
        text = before + WRITTEN[how](secret) + after
        assert find_secrets(text)
        assert find_secrets(text.encode())
        assert find_secrets({"many": ["x" * 50] * 5, "one": text})
    finally:
        held.close()


@settings(max_examples=50)
@given(
    value=st.recursive(
        st.none() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_what_holds_none_is_not_refused(value: Any) -> None:
    """Whatever it looks like."""
    held = AWSCredentials.of("AKID", TOKEN, TOKEN[::-1])
    refuse_secrets(value, "a log")
    held.close()


def test_most_of_a_long_token_is_not_looked_for(token: str) -> None:
    """The head of a JWT is the same in all; what counts is how it ends."""
    head = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9." + "payload" * 20
    held = BearerToken.of(f"{head}.{'x' * 20 + token[::-1]}")
    assert find_secrets(head) == []
    assert len(find_secrets(held.reveal("token"))) == 1
    held.close()


@pytest.mark.parametrize("short", ["hunter2", "0" * 30, "é"])
def test_a_short_or_uniform_one_is_found_only_alone(short: str) -> None:
    """It would turn up by chance in longer texts."""
    held = UsernamePassword.of("me", short)
    assert len(find_secrets({"a": short, "b": "x" * 40, "c": f"a {short} b"})) == 1
    held.close()


def test_an_empty_one_is_in_nothing() -> None:
    """Every text holds the empty text."""
    held = UsernamePassword.of("me", "")
    refuse_secrets(["", "anything"], "a log")
    held.close()


def test_a_stored_value_may_be_stripped(token: str) -> None:
    """A file's last newline is no part of what a program makes of it."""
    held = BearerToken.of(token[::-1] + "\n")
    assert find_secrets(token[::-1])
    held.close()


def test_text_that_is_no_unicode_is_searched(token: str) -> None:
    """File names may have lone surrogates."""
    assert find_secrets(f"\ud800{token}")


def test_cycles_and_depth_are_no_obstacle(token: str) -> None:
    """Neither an endless loop nor the interpreter's recursion limit."""
    ring: dict[str, Any] = {}
    ring["self"] = [ring]
    refuse_secrets(ring, "a log")
    deep: list[Any] = [token]
    for _ in range(20_000):
        deep = [deep]
    assert len(find_secrets(deep)) == 1


def test_a_released_view_holds_nothing(token: str) -> None:
    """It cannot be written either."""
    view = memoryview(token.encode())
    view.release()
    refuse_secrets([view], "a log")


class Unreadable(UserDict[str, str]):
    """Like the pools of urllib3."""

    def __iter__(self) -> Any:
        raise NotImplementedError


def test_a_mapping_that_refuses_to_be_read_is_searched_by_its_attributes(
    token: str,
) -> None:
    """It can still be pickled."""
    value = Unreadable()
    refuse_secrets(value, "a log")
    value.data["token"] = token
    (finding,) = find_secrets(value)
    assert finding.path == "data.token"


@pytest.mark.parametrize(
    "log",
    [
        lambda logger, token: logger.debug(f"sent {token}"),  # noqa: G004  a user may
        lambda logger, token: logger.debug("sent %s", {"Authorization": token}),
        lambda logger, token: logger.error("no", exc_info=ValueError(token)),
    ],
)
def test_a_logger_withholds_what_it_is_told_to(
    token: str, log: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A record that holds a secret says so instead; others pass as they are."""
    logger = logging.getLogger("tests.library")
    with caplog.at_level(logging.DEBUG, "tests.library"):
        withhold_from_logs("tests.library")
        logger.debug("sent %s", "nothing")
        log(logger, token)
    assert caplog.messages == [
        "sent nothing",
        "withheld: it holds the token of lease train-data",
    ]
    assert token not in caplog.text


def test_a_record_that_does_not_fit_its_arguments_is_dropped(
    token: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The logging module would print the arguments to stderr."""
    logger = logging.getLogger("tests.library")
    withhold_from_logs("tests.library")
    logger.error("sent %s %s", token)  # noqa: PLE1206  as libraries sometimes do
    assert caplog.messages == []


def test_what_pickles_without_its_secret_is_left_alone(token: str) -> None:
    """A lease's file system, say, knows how to travel."""
    refuse_secrets(Kept(token), "a log")


def test_the_credentials_themselves_are_no_leak(token: str) -> None:
    """They refuse by themselves to be written."""
    refuse_secrets({"creds": live_credentials()}, "a log")


def test_a_wiped_one_is_no_longer_looked_for(token: str) -> None:
    """It ends with its lease; so do the spellings that were made of it."""
    other = token[::-1]
    held = BearerToken.of(other)
    assert find_secrets(other)
    made = spellings(held).buffer
    held.close()
    assert made.closed
    assert find_secrets(other) == []


def test_a_replaced_generation_counts_while_somebody_holds_it() -> None:
    """It is as good as the new one until it is wiped."""
    with World() as world:
        first = world.live.snapshot()
        old = world.token()
        world.live.invalidate(first.terms.generation)
        assert world.token() != old
        assert len(find_secrets([old, world.token()])) == 2
        del first
        assert len(find_secrets([old, world.token()])) == 1
    assert find_secrets(old) == []


def test_what_a_worker_read_from_the_owner_counts(token: str) -> None:
    """Its credentials are made from a buffer that came through the socket."""
    held = lease_of(rebuild("bearer", SecretBuffer.of(token[::-1]), {}), "mlflow")
    (finding,) = find_secrets(token[::-1])
    assert str(finding) == "token of lease mlflow"
    held.close()


def test_credentials_of_no_lease_are_named_by_their_kind() -> None:
    """All that is known of them."""
    held = AWSCredentials.of("AKID", TOKEN, "")
    assert [str(found) for found in find_secrets({"a": TOKEN})] == [
        "secret_access_key of aws credentials at a"
    ]
    held.close()


def test_looking_leaves_no_copy() -> None:
    """Neither of the secret nor of one of its spellings."""
    buffer = SecretBuffer(40)
    letters = string.ascii_letters.encode()
    with buffer.writable() as view:
        for i in range(len(view)):
            view[i] = secrets.choice(letters)
    held = BearerToken(buffer)
    refuse_secrets({"many": ["x" * 100] * 100}, "a log")
    assert count_copies([buffer]).copies == 0
    shown = held.reveal("token")
    assert find_secrets([shown, shown.encode().hex()])
    # The two here and nothing more: what was encoded for the comparison is wiped.
    del shown
    report = count_copies([buffer])
    assert report.skipped is None
    assert report.copies <= 2
    held.close()


def test_threads_may_open_and_end_leases_meanwhile() -> None:
    """A search takes what is live at some moment of it."""
    done = threading.Event()
    failures: list[BaseException] = []

    def churn() -> None:
        try:
            while not done.is_set():
                BearerToken.of(secrets.token_hex(20)).close()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=churn) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(100):
        refuse_secrets({"text": "x" * 60}, "a log")
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_has_none(token: str) -> None:
    """Its parent's are zeros there: looking touches none of their memory."""
    assert find_secrets(token)
    child = os.fork()
    if child == 0:
        os._exit(7 if live_credentials() == [] and not find_secrets(token) else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 7
