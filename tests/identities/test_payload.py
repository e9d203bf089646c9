"""What an identity logs in with: read fresh from its files, in locked memory."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlsecrets.errors import IdentityError
from mlsecrets.identities import _files
from mlsecrets.identities._files import MAX_BYTES, identity_file
from mlsecrets.identities.approle import AppRole
from mlsecrets.identities.jwt_file import JWTFile
from mlsecrets.identities.userpass import UserPass
from mlsecrets.issuer import Identity
from mlsecrets.memory import SecretBuffer, count_copies

ASCII_SPACE = " \t\n\r\v\f"


def read(path: Path) -> str:
    with identity_file(path, "the JWT") as content:
        return content.text()


def refused(path: Path) -> str:
    """The error for a file; it says what to do."""
    with pytest.raises(IdentityError) as caught:
        read(path)
    assert "have the platform write the JWT" in (caught.value.remedy or "")
    return str(caught.value)


@given(content=st.text(st.characters(max_codepoint=127), min_size=1))
def test_the_white_space_around_it_is_left_out(
    content: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Editors add it, and so do shells; what is inside stays as it is."""
    path = tmp_path_factory.getbasetemp() / "jwt"
    path.write_bytes(f" \r\n{content}\n".encode())
    if content.strip(ASCII_SPACE):
        assert read(path) == content.strip(ASCII_SPACE)
    else:
        assert refused(path) == f"the JWT cannot be read from {path}: empty"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the JWT cannot be read from {}: empty"),
        (b" \n\t", "the JWT cannot be read from {}: empty"),
        ("caf\u00e9".encode(), "{} is not the JWT: not ASCII"),
        (b"x" * (MAX_BYTES + 1), "{} is too large to be the JWT"),
        (b"x" * (3 * MAX_BYTES), "{} is too large to be the JWT"),
    ],
)
def test_what_is_no_identity(content: bytes, message: str, tmp_path: Path) -> None:
    """The file is named, and nothing of its content is shown."""
    path = tmp_path / "jwt"
    path.write_bytes(content)
    assert refused(path) == message.format(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Why is in the system's words."""
    path = tmp_path / "jwt"
    reason = "no such file or directory"
    assert refused(path) == f"the JWT cannot be read from {path}: {reason}"
    assert refused(tmp_path).endswith("is a directory")


def test_the_largest_that_there_may_be(tmp_path: Path) -> None:
    """To the byte."""
    path = tmp_path / "jwt"
    path.write_bytes(b"x" * MAX_BYTES)
    assert read(path) == "x" * MAX_BYTES


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes there")
@pytest.mark.parametrize("length", [3, 9000])
def test_a_pipe_that_somebody_writes_to(length: int, tmp_path: Path) -> None:
    """It does not say beforehand how much will come, and it comes in pieces."""
    path = tmp_path / "jwt"
    os.mkfifo(path)

    def write() -> None:
        with path.open("wb", buffering=0) as pipe:
            for _ in range(length):
                pipe.write(b"x")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert read(path) == "x" * length
    finally:
        writer.join()


def test_a_file_that_grows_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read again, whole: half a token would be refused, and nobody knew why."""
    path = tmp_path / "jwt"
    path.write_bytes(b"old")
    fill = _files._fill
    calls: list[int] = []

    def grown(file: Any, buffer: Any) -> int:
        if not calls:
            path.write_bytes(b"new, and longer")
        calls.append(buffer.size)
        return fill(file, buffer)

    monkeypatch.setattr(_files, "_fill", grown)
    assert read(path) == "new, and longer"
    assert calls == [4, MAX_BYTES + 1]


secrets = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1)


def payload_of(identity: Identity) -> dict[str, str]:
    with identity.payload() as draft:
        return dict(json.loads(draft.sealed.text()))


@settings(max_examples=40)  # each reads six files
@given(first=secrets, second=secrets, role=st.text())
def test_the_login_says_what_is_in_the_files(
    first: str, second: str, role: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """As JSON, whatever characters they hold."""
    folder = tmp_path_factory.getbasetemp()
    one, two = folder / "one", folder / "two"
    one.write_text(first)
    two.write_text(second)
    approle = AppRole("job", {"role_id_file": one, "secret_id_file": two})
    assert payload_of(approle) == {"role_id": first, "secret_id": second}
    # A rotated file counts from the next login on.
    one.write_text(second)
    assert payload_of(approle) == {"role_id": second, "secret_id": second}
    jwt = JWTFile("job", {"path": two, "role": role})
    assert payload_of(jwt) == {"role": role, "jwt": second}
    user = UserPass("job", {"username": "ada", "password_file": two})
    assert payload_of(user) == {"password": second}


def identities(path: Path) -> list[Callable[[], Identity]]:
    return [
        lambda: AppRole("job", {"role_id_file": path, "secret_id_file": path}),
        lambda: JWTFile("job", {"path": path, "role": "r"}),
        lambda: UserPass("job", {"username": "ada", "password_file": path}),
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="searches Linux's /proc")
@pytest.mark.parametrize("which", range(3))
def test_no_copy_of_a_file_is_left(which: int, tmp_path: Path) -> None:
    """Neither while the login is sent, nor after it."""
    path = tmp_path / "secret"
    with SecretBuffer(80) as needle, path.open("wb", buffering=0) as file:
        with needle.writable() as view:
            for i in range(len(view)):
                view[i] = ord("a") + os.urandom(1)[0] % 26
            file.write(view)
        with identities(path)[which]().payload() as draft:
            assert len(draft.sealed) > 80
            assert count_copies([needle]).copies == 0
        assert count_copies([needle]).copies == 0
        # The control: one string of it is found.
        shown = needle.text()
        assert count_copies([needle]).copies == 1
        assert len(shown) == 80
