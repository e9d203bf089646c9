"""What is left of a token in this process: nothing, unless it was revealed."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING

import pytest
import requests

from mlsecrets.credentials import UsernamePassword
from mlsecrets.exposure import Exposure, How
from mlsecrets.memory import count_copies
from tests.issuers.peers import Peer, saying

if TYPE_CHECKING:
    from .conftest import Held
    from .far import Far

searched = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")


def copies(held: Held) -> int:
    """How often the present token is in this process, besides its own buffer."""
    found = count_copies([held.live.snapshot().credentials.buffer])
    assert found.skipped is None
    return found.copies


@searched
def test_a_late_token_is_nowhere(
    held: Held, far: Far, session: requests.Session
) -> None:
    """While the connection is kept, while the answers are, and after."""
    answers = [session.post(far.url("x"), json={"n": n}) for n in range(5)]
    assert answers[-1].json()["fields"]["authorization"] == held.digest()
    assert copies(held) == 0
    session.close()
    del answers
    assert copies(held) == 0


@searched
def test_a_late_password_is_nowhere(held: Held, far: Far) -> None:
    """Neither as it is nor encoded."""
    with held.begin(far.address, kind=UsernamePassword).http_session() as session:
        session.verify = far.ca_file
        assert session.get(far.url("x")).status_code == 200
        assert copies(held) == 0


@searched
def test_a_late_token_that_was_refused_is_nowhere(
    held: Held, far: Far, session: requests.Session
) -> None:
    """Nor is the one that took its place."""
    first = held.live.snapshot()
    assert session.get(far.url(f"refuse/1/x{far.address[:5]}")).status_code == 200
    assert held.live.snapshot() is not first
    assert count_copies([first.credentials.buffer]).copies == 0
    assert copies(held) == 0


@searched
def test_a_revealed_token_is_found(held: Held, far: Far) -> None:
    """The same on a session of somebody else's: what the zeros are worth."""
    auth = held.begin(far.address).auth()
    with requests.Session() as session:
        session.verify = far.ca_file
        answer = session.post(far.url("x"), json={}, auth=auth)
        assert answer.json()["fields"]["authorization"] == held.digest()
        assert copies(held) >= 1
    assert held.creds.exposure == (Exposure("requests", "token", How.REVEALED),)


def test_a_revealed_token_is_in_use_until_it_is_answered(held: Held) -> None:
    """Sweeping it away under a request would send something else."""
    during: list[str | None] = []

    def behave(connection: object) -> None:
        during.append(held.live.exposures.in_use())
        saying(b"HTTP/1.1 204 Fine\r\n\r\n")(connection)  # type: ignore[arg-type]

    with Peer(behave) as peer:
        auth = held.begin(peer.address).auth()
        answer = requests.get(peer.address, auth=auth, timeout=5)
    assert answer.status_code == 204
    assert during == ["1 request(s) under way"]
    assert held.live.exposures.in_use() is None


def test_a_revealed_token_is_in_use_through_redirects(held: Held, plain: Far) -> None:
    """The first answer is not the last one."""
    auth = held.begin(plain.address).auth()
    url = plain.url("to/" + plain.url("y").replace("/", "%2F"))
    moved = requests.get(url, auth=auth, timeout=5, allow_redirects=False)
    assert held.live.exposures.in_use() == "1 request(s) under way"
    del moved  # nobody can follow it any more
    assert held.live.exposures.in_use() is None
    answer = requests.get(url, auth=auth, timeout=5)
    assert answer.json()["fields"]["authorization"] == held.digest()
    assert held.live.exposures.in_use() is None


def test_a_request_that_failed_is_over_once_it_is_dropped(held: Held) -> None:
    """`requests` tells nobody; its exception holds the request."""
    with Peer(saying(b"")) as peer:  # hangs up
        auth = held.begin(peer.address).auth()
        with pytest.raises(requests.ConnectionError) as failed:
            requests.get(peer.address, auth=auth, timeout=5)
    assert held.live.exposures.in_use() is not None
    del failed
    gc.collect()
    assert held.live.exposures.in_use() is None
