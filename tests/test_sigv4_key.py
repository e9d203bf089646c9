"""Rules for the step of AWS signatures that needs the key."""

from __future__ import annotations

import hmac
import os
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsecrets import _sigv4_key
from mlsecrets._sigv4_key import signature
from mlsecrets.memory import Sealed, SecretBuffer

SCOPE = ("20150830", "us-east-1", "iam", "aws4_request")


def sealed(key: str | bytes) -> Sealed:
    buffer = SecretBuffer.of(key)
    return Sealed(buffer, 0, buffer.size)


def by_the_book(key: bytes, scope: tuple[str, ...], to_sign: bytes) -> str:
    key = b"AWS4" + key
    for part in scope:
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, to_sign, "sha256").hex()


def test_the_published_example() -> None:
    """The signature in AWS's own walk-through comes out."""
    to_sign = (
        "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/iam/aws4_request\n"
        "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59"
    )
    expected = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    key = sealed("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    assert signature(key, SCOPE, to_sign) == expected


@given(
    key=st.binary(max_size=200),
    scope=st.tuples(*[st.text(max_size=20)] * 4),
    to_sign=st.binary(max_size=300),
)
def test_it_is_the_plain_derivation(
    key: bytes, scope: tuple[str, ...], to_sign: bytes
) -> None:
    """Whatever the key's length: shorter than a digest, or longer than a block."""
    assert signature(sealed(key), scope, to_sign) == by_the_book(key, scope, to_sign)


def test_an_overlong_key_is_refused() -> None:
    """It is no key, and would not fit; the error says nothing of it but its length."""
    with pytest.raises(ValueError, match="some 40 bytes, got 2000"):
        signature(sealed("k" * 2000), SCOPE, "x")


def test_the_scratch_is_zeroed_and_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of a key is left where it was laid out, and no page is taken twice."""
    monkeypatch.setattr(_sigv4_key, "_idle", [])
    signature(sealed("k" * 40), SCOPE, "x")
    (before,) = _sigv4_key._idle
    signature(sealed("k" * 40), SCOPE, "x")
    assert _sigv4_key._idle == [before]
    with before.reading() as view:
        assert not any(view)


def test_threads_do_not_share_a_scratch() -> None:
    """Signatures made at once with different keys are each right."""
    wrong: list[int] = []

    def sign(number: int) -> None:
        key = b"%040d" % number
        expected = by_the_book(key, SCOPE, b"x")
        held = sealed(key)
        wrong.extend(
            number for _ in range(200) if signature(held, SCOPE, "x") != expected
        )

    threads = [threading.Thread(target=sign, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.skipif(sys.platform == "win32", reason="no fork there")
def test_a_forked_child_makes_its_own_scratch() -> None:
    """The parent's is gone there, and is not touched."""
    signature(sealed("k" * 40), SCOPE, "x")
    child = os.fork()
    if child == 0:
        right = signature(sealed("k" * 40), SCOPE, "x") == by_the_book(
            b"k" * 40, SCOPE, b"x"
        )
        os._exit(0 if right else 1)
    assert os.waitpid(child, 0)[1] == 0
