"""requests on a leased bearer: signed at the last moment, repeated once after a 401."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
import requests
import responses

from mlsecrets import Lease, lease
from mlsecrets.devstack import DevStack
from mlsecrets.exposure import Exposure, How
from mlsecrets.http import LeaseAuth


@pytest.fixture
def url(stack: DevStack) -> str:
    """An address that the scope's access names."""
    line = next(
        line
        for line in stack.manifest_path.read_text().splitlines()
        if "use http" in line
    )
    return line.split("use ")[1].split('"')[0] + "/api/2.0/runs"


@pytest.fixture
def server(stack: DevStack) -> Iterator[responses.RequestsMock]:
    """Answers for the tracking server; everything else reaches the real stack."""
    with responses.RequestsMock() as mock:
        for engine in (stack.openbao, stack.store, stack.revoker):
            mock.add_passthru(engine.address)
        yield mock


def sent(mock: responses.RequestsMock) -> list[str]:
    return [call.request.headers["Authorization"] for call in mock.calls]


def bearer(creds: Lease) -> str:
    """What a request signed now should carry."""
    return "Bearer " + creds.snapshot().credentials.reveal("token")


def test_each_request_carries_the_current_token(
    server: responses.RequestsMock, url: str
) -> None:
    """After a replacement, the same auth object sends the new one."""
    server.get(url, json={})
    expected = []
    with lease("mlflow") as creds:
        auth = creds.auth()
        for generation in (1, 2):
            requests.get(url, auth=auth, timeout=5)
            assert creds.snapshot().terms.generation == generation
            expected.append(bearer(creds))
            creds.reject(generation)
    assert sent(server) == expected


def test_a_401_is_answered_once_with_a_newer_token(
    server: responses.RequestsMock, url: str
) -> None:
    """The body is sent again from its beginning."""
    server.post(url, status=401)
    server.post(url, json={"ok": True})
    with lease("mlflow") as creds:
        first = bearer(creds)
        answer = requests.post(url, data=io.BytesIO(b"x"), auth=creds.auth(), timeout=5)
        assert answer.status_code == 200
        assert [old.status_code for old in answer.history] == [401]
        # By generation: OpenBao signs the same JWT twice within one second.
        assert creds.snapshot().terms.generation == 2
        assert sent(server) == [first, bearer(creds)]


def test_a_second_401_is_the_callers(server: responses.RequestsMock, url: str) -> None:
    """No loop: a token that was just made is not the trouble."""
    server.get(url, status=401)
    with lease("mlflow") as creds:
        assert requests.get(url, auth=creds.auth(), timeout=5).status_code == 401
        assert creds.snapshot().terms.generation == 2
    assert len(server.calls) == 2


def test_a_body_that_is_gone_is_not_sent_again(
    server: responses.RequestsMock, url: str
) -> None:
    """The caller gets the 401; the next request is signed with a newer token."""
    server.post(url, status=401)
    with lease("mlflow") as creds:
        answer = requests.post(url, data=iter([b"x"]), auth=creds.auth(), timeout=5)
        assert answer.status_code == 401
        assert creds.snapshot().terms.generation == 2
    assert len(server.calls) == 1


def test_it_reveals_the_token_and_says_so(
    server: responses.RequestsMock, url: str
) -> None:
    """Under the name of whoever signs with it."""
    server.get(url, json={})
    with lease("mlflow") as creds:
        requests.get(url, auth=LeaseAuth(creds.reference, "somebody"), timeout=5)
        assert creds.exposure == (Exposure("somebody", "token", How.REVEALED),)


def test_its_repr_and_equality_are_the_scopes(stack: DevStack) -> None:
    """Host libraries cache by them."""
    assert LeaseAuth("mlflow") == LeaseAuth("mlflow") != LeaseAuth("other")
    assert len({LeaseAuth("mlflow"), LeaseAuth("mlflow")}) == 1
    assert repr(LeaseAuth("mlflow")) == "<LeaseAuth mlflow>"
