"""The observer of benchmarks/residue.py finds what is there, and nothing else."""

from __future__ import annotations

import base64
import json
import random
import string
from urllib.parse import quote

import pytest

np = pytest.importorskip("numpy")

from _residue.forms import Form, forms_of
from _residue.search import SHORTEST, Run, Search
from _residue.secrets import BEARER, KEY, LOGIN, SESSION, Secret, Seen
from hypothesis import given
from hypothesis import strategies as st

_random = random.Random(4)
VALUE = "".join(_random.choices(string.ascii_letters + string.digits + "/+=", k=90))
SECRET = Secret(KEY, VALUE.encode())
SEARCH = Search(forms_of([SECRET]))


def memory(size: int = 4096) -> bytearray:
    """Noise in which no window of the secret occurs: it has none of its bytes."""
    return bytearray(_random.choices(range(128, 256), k=size))


def runs(content: bytes | bytearray) -> list[Run]:
    return SEARCH.runs(np.frombuffer(bytes(content), dtype=np.uint8))


@given(
    start=st.integers(0, len(VALUE) - 8),
    length=st.integers(8, len(VALUE)),
    at=st.integers(0, 2000),
)
def test_a_piece_is_found_where_it_lies(start: int, length: int, at: int) -> None:
    """At any address: it counts from twelve bytes on, and is all of it or not."""
    piece = SECRET.value[start : start + length]
    content = memory()
    content[at : at + len(piece)] = piece
    found = runs(content)
    if len(piece) < SHORTEST:
        assert found == []
    else:
        (run,) = found
        assert (run.start, run.length, run.offset) == (at, len(piece), start)
        assert run.full == (len(piece) == len(VALUE))


@pytest.mark.parametrize(
    ("encoding", "written"),
    [
        ("bytes", VALUE.encode()),
        ("UTF-16", VALUE.encode("utf-16-le")),
        ("UCS-4", VALUE.encode("utf-32-le")),
        ("hex", VALUE.encode().hex().encode()),
        ("hex", VALUE.encode().hex().upper().encode()),
        ("JSON", json.dumps(VALUE).replace("/", "\\/").encode()),
        ("URL", quote(VALUE, safe="").encode()),
        ("base64", base64.b64encode(f"user:{VALUE}".encode())),
        ("base64", base64.b64encode(f"users:{VALUE}!".encode())),
        ("base64", base64.urlsafe_b64encode(f"a:{VALUE}".encode())),
    ],
)
def test_a_full_copy_is_found_in_every_form(encoding: str, written: bytes) -> None:
    """Also among neighbours that change how its ends are written."""
    content = memory()
    content[777 : 777 + len(written)] = written
    full = [run for run in runs(content) if run.full]
    assert [run.form.encoding for run in full] == [encoding]


def test_two_halves_are_two_fragments() -> None:
    """An allocator's pointers in the middle of a freed copy do not hide the rest."""
    content = memory()
    content[100 : 100 + len(VALUE)] = SECRET.value
    content[130:146] = bytes(16)
    assert [(run.full, run.offset, run.length) for run in runs(content)] == [
        (False, 0, 30),
        (False, 46, len(VALUE) - 46),
    ]


def test_what_two_kinds_share_is_counted_once() -> None:
    """For the later: a session's token repeats claims of the one it was traded for."""
    common = b"project-digits-run-77"
    earlier, later = (
        Secret(kind, str(_random.getrandbits(200)).encode() + common + end)
        for kind, end in ((LOGIN, b"."), (SESSION, b","))
    )
    search = Search(forms_of([earlier, later]))
    content = memory()
    # Its neighbour is by chance what comes next in the earlier one.
    piece = common + b"."
    content[50 : 50 + len(piece)] = piece
    (run,) = search.runs(np.frombuffer(bytes(content), dtype=np.uint8))
    assert (run.form.kind, run.length) == (SESSION, len(common))


def test_nothing_to_look_for_is_an_error() -> None:
    """A routing slip once gave a zero."""
    with pytest.raises(ValueError, match="no secrets"):
        Search([])
    with pytest.raises(ValueError, match="too short"):
        Search([Form(KEY, "bytes", b"hunter2")])
    with pytest.raises(ValueError, match="too uniform"):
        Search([Form(KEY, "bytes", b"a" * 40)])


def test_constant_heads_are_no_needles() -> None:
    """They occur in tokens that are nobody's secret."""
    head, rest = "eyJhbGciOiJSUzI1NiJ9.", "eyJzdWIiOiJqb2IifQ.c2lnbmF0dXJl"
    assert Secret.of(BEARER, head + rest).value == rest.encode()
    assert Secret.of(LOGIN, "s.ABCDEF").value == b"ABCDEF"
    assert Secret.of(KEY, "abc.def").value == b"abc.def"


def test_secrets_are_learned_from_the_wire() -> None:
    """By where they were sent, not by what they look like."""
    seen = Seen()
    seen.hear(
        "/v1/auth/approle/login",
        b'{"role_id": "r", "secret_id": "the-secret-id"}',
        b'{"auth": {"client_token": "s.the-token"}, "data": null}',
    )
    seen.hear("/v1/identity/oidc/token/mlflow", b"", b'{"data": {"token": "a-jwt"}}')
    seen.hear("/", b"", b"<SecretAccessKey>the-key</SecretAccessKey>")
    assert {(secret.kind, secret.value) for secret in seen.all()} == {
        ("secret id", b"the-secret-id"),
        ("login token", b"the-token"),
        ("bearer", b"a-jwt"),
        ("secret key", b"the-key"),
    }
