"""Workers read their owner's leases: one issuer call, no secret on the way."""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
import threading
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from mlsecrets._broker import _wire, attach
from mlsecrets._broker._place import Place
from mlsecrets._broker._socket import ENVIRONMENT, connect
from mlsecrets._broker.attach import Attachment
from mlsecrets._broker.serve import SETTLING, Broker
from mlsecrets._reference import Reference
from mlsecrets.errors import NotLeased, OwnerGone
from mlsecrets.testing import FakeClock
from tests.broker.owner import Owner, read_token
from tests.life import Background


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_worker_reads_the_owners_lease(owner: Owner, method: str) -> None:
    """However it was started, and without a call to the issuer."""
    with get_context(method).Pool(2) as pool:
        tokens = pool.map(read_token, [Reference("data")] * 4)
        pool.close()
        pool.join()
    assert tokens == ["fake-token-000001"] * 4
    assert owner.issuer.count("issue") == 1
    workers = {event.detail["worker"] for event in owner.journal.events("attached")}
    assert workers
    assert os.getpid() not in workers


def test_a_subprocess_reads_the_owners_lease(owner: Owner) -> None:
    """A launcher's child knows only the environment, which holds a path."""
    code = (
        "from mlsecrets import Reference;"
        "g = Reference('data').source().snapshot();"
        "print(g.credentials.reveal('token'), g.terms.generation)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["fake-token-000001", "1"]
    assert "fake-token" not in " ".join(os.environ.values())


def test_sixteen_readers_cost_no_issuer_call(owner: Owner) -> None:
    """Nor more than one question each before the next renewal."""
    attached = Attachment(owner.broker.path)
    threads = [
        threading.Thread(target=lambda: attached.source("data").snapshot())
        for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert owner.issuer.count("issue") == 1


def test_the_cache_is_asked_again_after_the_owners_renewal(owner: Owner) -> None:
    """A worker holds the newest generation soon after the owner does."""
    clock = FakeClock()
    source = Attachment(owner.broker.path, clock).source("data")
    assert source.snapshot().terms.generation == 1
    owner.live.tend()
    assert source.snapshot().terms.generation == 1  # valid, and cached
    clock.advance(owner.live.next_renewal() - owner.live.clock.monotonic() + 1)
    assert source.snapshot().terms.generation == 2


def test_a_refusal_in_a_worker_renews_at_the_owner_once(owner: Owner) -> None:
    """Sixteen workers are refused at once; the issuer is called once."""
    sources = [Attachment(owner.broker.path).source("data") for _ in range(16)]
    for source in sources:
        source.snapshot()
    for source in sources:
        source.invalidate(1)
    assert {source.snapshot().terms.generation for source in sources} == {2}
    assert owner.issuer.count("issue") == 2


def test_a_valid_lease_outlives_its_owner(owner: Owner) -> None:
    """Until it expires: what a worker has cached stays usable."""
    clock = FakeClock()
    source = Attachment(owner.broker.path, clock).source("data")
    grant = source.snapshot()
    owner.broker.close()
    clock.advance(grant.terms.remaining(clock.monotonic()) - 1)
    assert source.snapshot() is grant
    clock.advance(2)
    with pytest.raises(OwnerGone):
        source.snapshot()
    owner.broker = owner.serve()


def test_a_scope_that_the_owner_does_not_lease(owner: Owner) -> None:
    """The owner's own error, with its remedy, arrives in the worker."""
    with pytest.raises(NotLeased, match="models") as caught:
        Attachment(owner.broker.path).source("models").snapshot()
    assert caught.value.remedy == "open it"


def test_what_a_scope_allows_is_known_to_workers(owner: Owner) -> None:
    """Access and connection, so that they can route requests."""
    assert Attachment(owner.broker.path).views() == owner.views()


def test_a_reference_is_small_stable_and_secret_free() -> None:
    """Libraries cache by its repr and send its pickle anywhere."""
    reference = Reference("data", "/run/x/socket", 7)
    again = pickle.loads(pickle.dumps(reference))
    assert again == reference == Reference("data")
    assert hash(again) == hash(reference)
    assert repr(again) == "Reference(scope='data')"
    assert len(pickle.dumps(reference)) < 200


def test_no_lease_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says how to open one."""
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    with pytest.raises(NotLeased, match="here or in a parent process") as caught:
        Reference("data").source()
    assert 'with lease("data")' in (caught.value.remedy or "")


# -- who may be at the other end -----------------------------------------------------


def test_the_socket_is_this_users_alone(owner: Owner) -> None:
    """A 0700 folder, a 0600 socket."""
    assert owner.broker.path.parent.stat().st_mode & 0o777 == 0o700
    assert owner.broker.path.stat().st_mode & 0o777 == 0o600


def test_a_folder_that_others_can_enter_is_not_trusted(owner: Owner) -> None:
    """Somebody could have planted a socket there."""
    owner.broker.path.parent.chmod(0o755)
    with pytest.raises(OwnerGone, match="755"):
        Attachment(owner.broker.path).source("data").snapshot()


def test_a_foreign_user_gets_nothing(owner: Owner) -> None:
    """Even if the folder let it in: the owner looks at who connects (SO_PEERCRED)."""
    if os.getuid() != 0:
        pytest.skip("needs root to become another user")
    owner.broker.path.parent.chmod(0o711)
    owner.broker.path.chmod(0o666)
    code = (
        "import os, socket, sys; os.setgroups([]); os.setgid(65534); os.setuid(65534);"
        "s = socket.socket(socket.AF_UNIX); s.settimeout(5); s.connect(sys.argv[1]);"
        't = b\'{"ask": "grant", "scope": "data"}\';'
        "s.sendall(len(t).to_bytes(4, 'big') + t); print(s.recv(4096))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(owner.broker.path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "it runs as user 65534" in done.stdout, done.stderr
    assert "slots" not in done.stdout
    assert [e.detail["worker"] > 0 for e in owner.journal.events("refused")] == [True]
    assert owner.journal.events("attached") == []


@pytest.mark.parametrize(
    "noise",
    [
        b"",
        b"\x00",
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x05hello",
        b"\x00\x00\x00\x02[]",
    ],
)
def test_a_peer_that_talks_nonsense_harms_nobody(owner: Owner, noise: bytes) -> None:
    """The broker goes on serving."""
    with connect(owner.broker.path, 5.0) as connection:
        connection.sendall(noise)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100) == b""
    assert Attachment(owner.broker.path).source("data").snapshot().terms.generation == 1


def test_an_unknown_question_is_answered_with_an_error(owner: Owner) -> None:
    """A later version's worker hears that it is not understood."""
    with connect(owner.broker.path, 5.0) as connection:
        _wire.send(connection, {"ask": "dance", "scope": "data"})
        assert _wire.receive(connection)["error"] == "OwnerGone"


def test_closing_takes_the_socket_away(owner: Owner) -> None:
    """Nothing is left in the file system."""
    extra = owner.serve()
    assert extra.path.exists()
    extra.close()
    assert not extra.path.parent.exists()


def test_another_owner_at_the_same_path_is_asked_at_once(owner: Owner) -> None:
    """What a worker has from the block before may be revoked by now."""
    reference = Reference("data")
    assert reference.source().snapshot().terms.generation == 1
    owner.broker.close()
    owner.live.invalidate(1)
    assert reference.source().snapshot().terms.generation == 1  # there is nobody to ask
    owner.broker = owner.serve()
    assert reference.source().snapshot().terms.generation == 2


def test_between_two_owners_of_a_job_workers_go_on(
    owner: Owner, monkeypatch: pytest.MonkeyPatch, runtime: Path
) -> None:
    """By what they have; and who comes new waits for the next, who is there soon."""
    monkeypatch.delenv(ENVIRONMENT)
    monkeypatch.setenv("MLSECRETS_JOB", "seven")
    with pytest.raises(NotLeased):
        Reference("data").source()
    place = Place.of_job("named:seven")
    assert place.take()
    owner.broker.close()
    owner.broker = Broker(owner, owner.live.clock, owner.journal, place)
    grant = Reference("data").source().snapshot()
    owner.broker.close()  # the socket is gone
    assert Reference("data").source().snapshot() is grant

    assert place.take()  # and the next owner does not listen yet
    monkeypatch.setattr(attach, "_attachments", {})
    reading = Background(Reference("data").source().snapshot)
    viewing = Background(Reference("data").view)
    owner.broker = Broker(owner, owner.live.clock, owner.journal, place)
    for asked in (reading, viewing):
        asked.join()
        assert asked.error is None


def test_workers_wait_for_what_is_being_taken_over(monkeypatch: Any) -> None:
    """Members come back to a new owner one by one; a while later nobody comes."""
    clock = FakeClock()
    owner = Owner(clock=clock)
    there: set[str] = set()
    monkeypatch.setattr(owner, "holds", there.__contains__)
    owner.broker.close()
    place = Place.private()
    assert place.take()
    owner.broker = Broker(owner, clock, owner.journal, place, succeeding=True)
    attached = Attachment(owner.broker.path)
    data = Background(attached.source("data").snapshot)
    models = Background(attached.source("models").snapshot)
    there.add("data")
    data.join()
    assert data.error is None
    assert models.waiting
    clock.advance(SETTLING)
    models.join()
    assert isinstance(models.error, NotLeased)
    owner.close()
