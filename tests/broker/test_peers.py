"""Who may read leases is asked of the kernel, and what it does not tell is a no."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mlsecrets._broker import _peers
from mlsecrets._broker._peers import Peers, ancestors, check, is_within
from mlsecrets._broker._place import Place
from tests.broker.children import Child

Start = Callable[..., Child]

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="descent is read from /proc"
)

CONNECT = "s = socket.socket(socket.AF_UNIX); s.connect(str(place.socket))\n"
WAIT = "print(os.getpid(), flush=True); sys.stdin.read()\n"


@pytest.fixture
def owned(place: Place) -> Iterator[socket.socket]:
    """A socket that listens at the place, which this process owns."""
    place.take()
    with place.bind() as listening:
        listening.settimeout(10)
        yield listening


@contextmanager
def caller(listening: socket.socket) -> Iterator[socket.socket]:
    """The connection of the next process that calls."""
    connection, _ = listening.accept()
    with connection:
        yield connection


# -- the same user -------------------------------------------------------------------


@pytest.mark.parametrize("peers", ["user", "descendants", "cgroup"])
def test_a_child_of_the_owner_may_connect(
    place: Place, owned: socket.socket, child: Start, peers: Peers
) -> None:
    """Under each of the rules."""
    child(CONNECT + WAIT, place.folder)
    with caller(owned) as connection:
        assert check(connection, peers, [os.getpid()]) is None


@pytest.mark.parametrize("peers", ["user", "descendants", "cgroup"])
def test_a_foreign_user_may_not_though_it_is_a_child(
    place: Place, owned: socket.socket, child: Start, peers: Peers
) -> None:
    """The user is asked for first, whatever the rule."""
    if os.getuid() != 0:
        pytest.skip("needs root to become another user")
    become = "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
    # Through a descriptor of the folder: nobody else gets into it by its path.
    enter = "os.chdir(place.folder)\n"
    connect = "s = socket.socket(socket.AF_UNIX); s.connect('socket')\n"
    place.folder.chmod(0o711)
    place.socket.chmod(0o666)
    child(enter + become + connect + WAIT, place.folder)
    with caller(owned) as connection:
        refused = check(connection, peers, [os.getpid()])
    assert refused == "it runs as user 65534, and the owner as 0"


# -- descent -------------------------------------------------------------------------


def test_a_grandchild_descends(
    place: Place, owned: socket.socket, child: Start
) -> None:
    """A worker of a pool that a child made; a rank's own workers by their rank."""
    code = "if os.fork(): os.wait(); os._exit(0)\n"
    started = child(code + CONNECT + WAIT, place.folder)
    with caller(owned) as connection:
        grandchild = int(started.says())
        assert grandchild != started.pid
        chain = ancestors(grandchild)
        assert chain[:3] == [grandchild, started.pid, os.getpid()]
        assert check(connection, "descendants", [os.getpid()]) is None
        assert check(connection, "descendants", [started.pid]) is None
        assert check(connection, "descendants", [grandchild]) is None
        assert started.process.stdin is not None
        started.process.stdin.close()
        started.process.wait()


def test_an_unrelated_process_of_the_same_user_is_refused(
    place: Place, owned: socket.socket, child: Start
) -> None:
    """It is this user's, but no process of the job is above it."""
    rank, stranger = child(WAIT, place.folder), child(CONNECT + WAIT, place.folder)
    with caller(owned) as connection:
        assert check(connection, "user", [rank.pid]) is None
        refused = check(connection, "descendants", [rank.pid])
        assert refused is not None
        assert f"process {stranger.pid} does not descend" in refused
        assert check(connection, "descendants", []) is not None


def test_an_orphan_is_refused(place: Place, owned: socket.socket, child: Start) -> None:
    """Its parent has ended, and init, which adopts it, is nobody's proof."""
    code = (
        "parent = os.getpid()\n"
        "pid = os.fork()\n"
        "if pid: print(pid, flush=True); os._exit(0)\n"
        "while os.getppid() == parent: time.sleep(0.001)\n"
    )
    parent = child(code + CONNECT + "sys.stdin.read()", place.folder)
    orphan = int(parent.says())
    parent.process.wait()
    try:
        with caller(owned) as connection:
            refused = check(connection, "descendants", [os.getpid(), parent.pid])
        assert refused is not None
        assert f"process {orphan} does not descend" in refused
    finally:
        os.kill(orphan, signal.SIGKILL)


def test_one_that_connected_and_ended_is_refused(
    place: Place, owned: socket.socket, child: Start
) -> None:
    """Its child has the connection now, and its number may soon be another's."""
    code = "pid = os.fork()\nif pid: print(pid, flush=True); os._exit(0)\n"
    ended = child(CONNECT + code + "sys.stdin.read()", place.folder)
    left = int(ended.says())
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
    try:
        with caller(owned) as connection:
            assert ancestors(ended.pid)[:2] == [ended.pid, os.getpid()]
            refused = check(connection, "descendants", [os.getpid()])
        if refused is None:
            pytest.skip("this kernel has no SO_PEERPIDFD")
        assert "has ended" in refused
    finally:
        os.kill(left, signal.SIGKILL)


def test_a_process_may_be_called_anything(place: Place, child: Start) -> None:
    """Its name stands in the middle of what is read, and may look like the rest."""
    name = ") S 1 (a b"
    code = f"open('/proc/self/comm', 'w').write({name!r})\n"
    named = child(code + WAIT, place.folder)
    assert named.says() == str(named.pid)
    assert Path(f"/proc/{named.pid}/comm").read_text().strip() == name
    assert ancestors(named.pid)[:2] == [named.pid, os.getpid()]


def test_a_number_that_was_given_to_another_process_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Between the first look and the last: it began later than it had."""
    read = _peers._read_stat
    looks: list[int] = []

    def recycled(pid: int) -> _peers._Stat | None:
        stat = read(pid)
        looks.append(pid)
        if stat is not None and looks.count(os.getppid()) == 2:
            return stat._replace(start=stat.start + 1)
        return stat

    assert ancestors(os.getpid())[:2] == [os.getpid(), os.getppid()]
    monkeypatch.setattr(_peers, "_read_stat", recycled)
    assert ancestors(os.getpid()) == []


def test_ancestors_of_nobody_are_unknown(place: Place, child: Start) -> None:
    """Of a process that has ended, and of one that has no number here."""
    ended = child("", place.folder)
    ended.process.wait()
    assert ancestors(ended.pid) == []
    assert ancestors(0) == []


# -- what the kernel does not tell ---------------------------------------------------


@pytest.mark.parametrize("peers", ["descendants", "cgroup"])
def test_a_process_without_a_number_is_refused(
    monkeypatch: pytest.MonkeyPatch, peers: Peers
) -> None:
    """One in another pid namespace has the number 0 here (unix(7))."""
    ours, theirs = socket.socketpair()
    monkeypatch.setattr(_peers, "peer", lambda connection: (0, os.getuid()))
    with ours, theirs:
        assert "no process id" in str(check(ours, peers, [os.getpid(), 0]))
        assert check(ours, "user", []) is None


@pytest.mark.parametrize("peers", ["descendants", "cgroup"])
def test_without_proc_nobody_may(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, peers: Peers
) -> None:
    """Not even this process itself."""
    ours, theirs = socket.socketpair()
    monkeypatch.setattr(_peers, "_PROC", tmp_path)
    with ours, theirs:
        assert "cannot be told" in str(check(ours, peers, [os.getpid()]))


@pytest.mark.parametrize("peers", ["descendants", "cgroup"])
def test_another_namespaces_proc_is_not_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, peers: Peers
) -> None:
    """Its numbers are other processes'."""
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            (tmp_path / process.name).symlink_to(process)
    (tmp_path / "self").symlink_to(str(os.getpid()))
    ours, theirs = socket.socketpair()
    monkeypatch.setattr(_peers, "_PROC", tmp_path)
    with ours, theirs:
        assert check(ours, peers, [os.getpid()]) is None
        (tmp_path / "self").unlink()
        (tmp_path / "self").symlink_to("1")
        assert "cannot be told" in str(check(ours, peers, [os.getpid()]))


def test_a_rule_that_nobody_knows_lets_nobody_in() -> None:
    """A setting of a later version, or a slip."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        refused = check(ours, "everybody", [os.getpid()])  # type: ignore[arg-type]
    assert "not a rule" in str(refused)


# -- control groups ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("0::/job", "0::/job"),
        ("0::/job", "0::/job/step0"),
        ("0::/", "0::/"),
        ("0::/", "0::/anything"),
        ("0::/a:b", "0::/a:b/c"),
        ("2:memory:/job\n1:name=systemd:/x", "1:name=systemd:/x\n2:memory:/job/a"),
    ],
)
def test_the_same_group_or_one_below_is_within(ours: str, theirs: str) -> None:
    """In the lines of version 1, version 2 and both."""
    assert is_within(ours, theirs)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("0::/job", "0::/"),
        ("0::/job", "0::/job2"),
        ("0::/job/step0", "0::/job"),
        ("0::/", "0::/../other"),
        ("0::/job", "0::/job/../other"),
        ("2:memory:/job\n1:cpu:/job", "2:memory:/job\n1:cpu:/other"),
        ("2:memory:/job\n1:cpu:/job", "2:memory:/job"),
        ("0::/job", ""),
        ("", ""),
        ("nonsense", "nonsense"),
    ],
)
def test_any_other_group_is_not(ours: str, theirs: str) -> None:
    """Above, beside, outside of what can be seen, or unknown."""
    assert not is_within(ours, theirs)


def test_a_process_outside_of_the_group_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What /proc says of it, beside what it says of the owner."""
    read = _peers._read

    def moved(process: str, name: str) -> str | None:
        text = read(process, name)
        if text is None or (process, name) != ("self", "cgroup"):
            return text
        return "\n".join(line.rstrip("/") + "/inner" for line in text.splitlines())

    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert check(ours, "cgroup", []) is None
        monkeypatch.setattr(_peers, "_read", moved)
        refused = check(ours, "cgroup", [])
    assert refused == (f"process {os.getpid()} is outside of the owner's control group")
