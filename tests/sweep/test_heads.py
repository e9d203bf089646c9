"""What of a token is its own, judged by its looks."""

from __future__ import annotations

import pytest

from mlsecrets.sweep._heads import Heads, heads_of, is_of_another

JWT = b"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJqb2IifQ.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("value", "heads"),
    [
        # The header is public, the claims may be another token's.
        (JWT, Heads(21, len("eyJzdWIiOiJqb2IifQ."), jwt=True, prose=False)),
        (b"hvs.CAESIJ0123456789", Heads(4, 0, jwt=False, prose=False)),
        (b"s.0123456789abcdefghij", Heads(2, 0, jwt=False, prose=False)),
        (b"a" * 40, Heads(0, 0, jwt=False, prose=False)),
        (b"a" * 100, Heads(0, 16, jwt=False, prose=False)),
        (b"a" * 300, Heads(0, 64, jwt=False, prose=False)),
        (b"correct horse battery staple", Heads(0, 0, jwt=False, prose=True)),
        (b"eyJ.not.a jwt at all.", Heads(0, 0, jwt=False, prose=True)),
    ],
)
def test_heads(value: bytes, heads: Heads) -> None:
    """By kind and by length; numbers are bytes."""
    assert heads_of(memoryview(value)) == heads


@pytest.mark.parametrize(
    ("memory", "run", "jwt", "another"),
    [
        (b"\0HEADofatoken\0", b"HEADof", False, True),  # goes on differently
        (b"=HEADofatoken\0", b"HEADof", False, True),
        (b"\0HEADof\0", b"HEADof", False, False),  # stands alone: a piece
        (b"xxHEADof\0", b"HEADof", False, False),  # what stood before was wiped
        (b'"eyJhbGc.eyJzdWIi.c2ln"', b"zdWI", True, True),
        (b'"eyJhbGc.eyJzdWIi', b"zdWI", True, False),  # torn off
        (b"\0\0zdWI\0", b"zdWI", True, False),
    ],
)
def test_a_run_inside_a_whole_token(
    memory: bytes, run: bytes, jwt: bool, another: bool
) -> None:
    """A token that begins as ours does and goes on differently is alive, perhaps."""
    begin = memory.index(run)
    where = slice(begin, begin + len(run))
    assert is_of_another(memoryview(memory), where, begin, jwt=jwt) == another
