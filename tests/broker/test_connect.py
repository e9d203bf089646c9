"""Nobody is believed who does not hold the lock of the place that it answers at."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mlsecrets._broker._place import BACKLOG, Place
from mlsecrets._broker._socket import connect, peer
from mlsecrets.errors import OwnerGone
from tests.broker.children import OWN, WAIT, Child

Start = Callable[..., Child]

needs_holders = pytest.mark.skipif(
    not hasattr(socket, "SO_PEERCRED"), reason="whose lock it is cannot be told"
)
#: Listens in a place without owning it.
PLANT = (
    "s = socket.socket(socket.AF_UNIX); s.bind(str(place.socket)); s.listen()\n"
    "print('ready', flush=True)\n"
)


def test_the_owner_is_connected_to(place: Place, child: Start) -> None:
    """From this process, and in it."""
    owner = child(OWN + WAIT, place.folder)
    assert owner.says() == "True"
    with connect(place.socket, 5.0) as connection:
        assert peer(connection) in {(owner.pid, os.getuid()), (0, -1)}
    owner.kill()
    assert place.take()
    with place.bind(), connect(place.socket, 5.0) as connection:
        assert peer(connection) in {(os.getpid(), os.getuid()), (0, -1)}
    assert place.is_ours()


def test_the_next_owner_answers_at_the_same_path(place: Place, child: Start) -> None:
    """However the last one ended."""
    for _ in range(3):
        owner = child(OWN + WAIT, place.folder)
        assert owner.says() == "True"
        connect(place.socket, 5.0).close()
        owner.kill()


def test_a_stale_socket_is_refused(place: Place, child: Start) -> None:
    """Its file is there, but its owner was killed."""
    owner = child(OWN + WAIT, place.folder)
    assert owner.says() == "True"
    owner.kill()
    with pytest.raises(OwnerGone, match=r"does not answer .*refused\)") as caught:
        connect(place.socket, 5.0)
    assert "inside the with block" in (caught.value.remedy or "")


def test_more_may_knock_than_the_system_queues(place: Place) -> None:
    """The rest wait for their turn, until their time is up."""
    place.take()
    with ExitStack() as queue, place.bind() as listening:
        for _ in range(BACKLOG + 1):
            queue.enter_context(connect(place.socket, 1.0))
        with pytest.raises(OwnerGone, match="temporarily unavailable"):
            connect(place.socket, 0.01)

        def let_one_in() -> None:
            listening.accept()[0].close()

        door = threading.Timer(0.05, let_one_in)
        door.start()
        connect(place.socket, 10.0).close()
        door.join()


@pytest.fixture
def orphan(place: Place, child: Start) -> Iterator[int]:
    """A child that a killed owner's C code forked, and that still has its socket."""
    fork = (
        "import ctypes\npid = ctypes.PyDLL(None).fork()\n"
        "if pid: print(pid, flush=True); sys.stdin.read()\n"
    )
    owner = child(OWN + fork + "time.sleep(60)", place.folder)
    assert owner.says() == "True"
    pid = int(owner.says())
    owner.kill()
    yield pid
    os.kill(pid, signal.SIGKILL)


@needs_holders
def test_a_socket_that_outlives_its_owner_is_refused(place: Place, orphan: int) -> None:
    """It still listens: a child of the owner's inherited it, but not the lock."""
    with pytest.raises(OwnerGone, match=r"does not hold .*\(held by nobody\)"):
        connect(place.socket, 5.0)


@needs_holders
def test_a_planted_socket_is_refused(place: Place, child: Start) -> None:
    """By a process of the same user, while nobody owns the place, or another does."""
    planter = child(PLANT + WAIT, place.folder)
    assert planter.says() == "ready"
    place.lock.touch()
    by = f"served by process {planter.pid}, which does not hold owner.lock"
    with pytest.raises(OwnerGone, match=rf"{by} \(held by nobody\)") as caught:
        connect(place.socket, 5.0)
    assert str(planter.pid) in (caught.value.remedy or "")
    owned = place.socket.with_name("kept")
    place.socket.rename(owned)
    owner = child(OWN + WAIT, place.folder)
    assert owner.says() == "True"
    owned.rename(place.socket)
    with pytest.raises(OwnerGone, match=rf"{by} \(held by process {owner.pid}\)"):
        connect(place.socket, 5.0)


def test_a_planted_folder_is_refused(place: Place, child: Start) -> None:
    """Somebody listens in it, but there has never been an owner."""
    planter = child(PLANT + WAIT, place.folder)
    assert planter.says() == "ready"
    with pytest.raises(OwnerGone, match=r"nobody can own .*No such file"):
        connect(place.socket, 5.0)
    place.lock.touch()
    place.folder.chmod(0o777)
    with pytest.raises(OwnerGone, match="mode 777"):
        connect(place.socket, 5.0)
    place.folder.chmod(0o700)
    link = place.folder.parent / "link"
    link.symlink_to(place.folder)
    with pytest.raises(OwnerGone, match="it is a link"):
        connect(link / "socket", 5.0)


def test_a_place_that_is_gone_names_the_cause(tmp_path: Path) -> None:
    """The worker outlived the block."""
    with pytest.raises(OwnerGone, match="gone") as caught:
        connect(Path("/tmp/mlsecrets-none/socket"), 1.0)
    assert "inside the with block" in (caught.value.remedy or "")


def test_a_path_that_is_too_long_says_so(tmp_path: Path) -> None:
    """With its length and the greatest, where the system's own error has neither."""
    path = tmp_path / ("x" * 100) / "socket"
    length = len(str(path))
    with pytest.raises(OwnerGone, match=f"{length} bytes, and .* may have 107"):
        connect(path, 1.0)
