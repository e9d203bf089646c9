"""Reading an answer leaves no copy of a secret in it, whatever it says otherwise."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator

import pytest

from mlsecrets import errors
from mlsecrets.errors import IssuerError
from mlsecrets.issuers._answer import Answer
from mlsecrets.issuers._bao_answers import credentials_of
from mlsecrets.issuers._bao_errors import lease_error, login_error, path_error
from mlsecrets.issuers._bao_reply import Reply
from mlsecrets.issuers._sts_answers import parse, refusal, session_credentials
from mlsecrets.memory import Draft, Sealed, SecretBuffer, count_copies
from tests.issuers.conftest import scope

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="searches Linux's /proc"
)
WHERE = "issuer bao"


@pytest.fixture
def secret() -> Iterator[SecretBuffer]:
    """Random letters with one A in the middle, made where they lie."""
    with SecretBuffer(95) as buffer:
        with buffer.writable() as view:
            for i in range(len(view)):
                view[i] = ord("a") + os.urandom(1)[0] % 26
            view[47] = ord("A")
        yield buffer


def saying(
    before: str, secret: SecretBuffer, spelling: str, after: str, status: int = 200
) -> Answer:
    """An answer with the secret in it, its A in another spelling."""
    with Draft() as draft:
        draft.add(before).add_secret(Sealed(secret, 0, 47)).add(spelling)
        draft.add_secret(Sealed(secret, 48, 47)).add(after)
        with draft.sealed.reading() as view:
            body = SecretBuffer.of(view)
    return Answer(status, {}, Sealed(body, 0, body.size), 0.0, 0.0, 0.0)


def assert_only_sealed(secret: SecretBuffer) -> None:
    assert count_copies([secret]).copies == 0


@pytest.mark.parametrize("spelling", ["A", "\\u0041"])
def test_credentials_go_from_the_answer_to_their_own_memory(
    spelling: str, secret: SecretBuffer
) -> None:
    """They are there, they are what was said, and nowhere else."""
    before = '{"data": {"username": "u", "password": "'
    with Reply(saying(before, secret, spelling, '"}}')) as reply:
        assert reply.content is not None
        credentials = credentials_of(scope(), reply.content, WHERE)
        assert_only_sealed(secret)
    assert_only_sealed(secret)
    assert credentials.buffer.equals(secret)
    # The control: what a string leaves is found.
    shown = credentials.sealed("password").text()
    assert count_copies([secret]).copies == 1
    assert len(shown) == 95
    credentials.close()


@pytest.mark.parametrize("spelling", ["A", "&#65;", "<!-- -->&#x41;"])
def test_a_session_goes_the_same_way(spelling: str, secret: SecretBuffer) -> None:
    """The token of an STS, in XML."""
    before = (
        "<A><B><AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>k</SecretAccessKey>"
        "<SessionToken>"
    )
    with saying(before, secret, spelling, "</SessionToken></B></A>") as answer:
        credentials = session_credentials(parse(answer, WHERE), WHERE)
        assert_only_sealed(secret)
    held = credentials.sealed("session_token")
    with held.reading() as token, secret.reading() as expected:
        assert token == expected
    credentials.close()
    assert_only_sealed(secret)


def at_login(answer: Answer) -> IssuerError:
    return login_error(Reply(answer), WHERE, "approle", "auth/approle/login")


def at_read(answer: Answer) -> IssuerError:
    return path_error(Reply(answer), WHERE, "queue/creds/worker")


def at_renewal(answer: Answer) -> IssuerError:
    return lease_error(Reply(answer), WHERE, "queue/1")


def at_store(answer: Answer) -> IssuerError:
    return refusal(answer, WHERE, "arn:aws:iam::role/r")


@pytest.mark.parametrize(
    ("before", "spelling", "after", "error_of", "kind"),
    [
        ('["unknown role: ', "\\u0041", '"]', at_read, errors.AccessRefused),
        ('["invalid role or secret ', "\\u0041", '"]', at_login, errors.LoginRefused),
        ('["lease not found: ', "\\u0041", '"]', at_renewal, errors.GrantGone),
        ("<Message>bad JWT ", "&#65;", "</Message>", at_store, errors.AccessRefused),
        # In the place of a code; or not whole.
        ("<Code>", "A", "</Code>", at_store, errors.BadAnswer),
        ("<Message>", "A", "", at_store, errors.BadAnswer),
        ('["', "A", '"', at_read, errors.BadAnswer),
    ],
)
def test_an_error_may_quote_a_secret_and_leaves_none(
    before: str,
    spelling: str,
    after: str,
    error_of: Callable[[Answer], IssuerError],
    kind: type[IssuerError],
    secret: SecretBuffer,
) -> None:
    """Servers and gateways quote what they were sent; it is searched where it lies."""
    if error_of is at_store:
        code = "" if "Code" in before else "<Code>InvalidIdentityToken</Code>"
        before, after = f"<E>{code}{before}", f"{after}</E>"
    else:
        before, after = f'{{"errors": {before}', after + "}"
    with saying(before, secret, spelling, after, status=400) as answer:
        assert type(error_of(answer)) is kind
        assert_only_sealed(secret)
