"""After a call, no copy of what was sent and received is left in the process."""

from __future__ import annotations

import json
import secrets
import socket
import string
import subprocess
import sys
from pathlib import Path

import pytest

from mlsecrets.issuers import _tls
from tests.issuers.peers import Peer, certificate

CHILD = Path(__file__).with_name("residue_child.py")
ROOT = Path(__file__).parents[2]
LETTERS = string.ascii_letters + string.digits

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="searches Linux's /proc"
)


def fresh(length: int) -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(length))


def copies(
    client: str, chunked: bool, pem: Path | None, folder: Path
) -> dict[str, int]:
    """What a process finds that asked a server with fresh secrets."""
    token = fresh(95)
    (folder / "token").write_text(token)
    body = f'{{"key":"{fresh(40)}","session":"{fresh(356)}"}}'.encode()
    framed = b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    if chunked:
        parts = b"".join(
            b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:30], body[30:])
        )
        framed = b"Transfer-Encoding: chunked\r\n\r\n" + parts + b"0\r\n\r\n"

    def answer(connection: socket.socket) -> None:
        received = b""
        while received.count(token.encode()) < 2:  # in a header, and in the body
            more = connection.recv(65536)
            assert more
            received += more
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + framed)
        connection.recv(1)

    with Peer(answer, pem) as peer:
        done = subprocess.run(
            [
                sys.executable,
                str(CHILD),
                client,
                peer.address,
                str(pem or ""),
                str(folder / "token"),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
def test_nothing_is_left_of_a_call(tls: bool, chunked: bool, tmp_path: Path) -> None:
    """Not of the token that was sent, nor of the secrets that came, even meanwhile."""
    if tls and not _tls.CLEANSES:
        pytest.skip("this OpenSSL keeps the plaintext of its last record")
    pem = certificate(tmp_path, 10) if tls else None
    assert copies("ours", chunked, pem, tmp_path) == {"in use": 0, "after": 0}


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_requests_leaves_copies(tls: bool, tmp_path: Path) -> None:
    """The positive control: the same search finds what a usual client leaves."""
    pem = certificate(tmp_path, 10) if tls else None
    # How many are left afterwards is the allocator's luck: on Python 3.10, none.
    assert copies("requests", False, pem, tmp_path)["in use"] > 0
