"""One process at a time owns a place, and nothing planted there is trusted."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from mlsecrets._broker import _lock
from mlsecrets._broker._place import LONGEST_PATH, Place
from mlsecrets.errors import OwnerGone
from tests.broker.children import OWN, WAIT, Child

Start = Callable[..., Child]


# -- where it lies -------------------------------------------------------------------


def test_every_process_of_a_job_finds_the_same_place(
    place: Place, runtime: Path, child: Start
) -> None:
    """The name is enough, and another name is another place."""
    other = child("print(Place.of_job('job').folder)", place.folder)
    assert other.says() == str(place.folder)
    assert place.folder.parent == runtime / "mlsecrets"
    assert Place.of_job("another job") != place


def test_without_a_runtime_folder_it_lies_in_the_temporary_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the user's id in its path: all users share that folder."""
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr("tempfile.gettempdir", lambda: "/tmp")
    made = Place.of_job(f"test {os.getpid()}")
    try:
        assert made.folder.parent == Path(f"/tmp/mlsecrets-{os.getuid()}")
    finally:
        made.folder.rmdir()


def test_the_folders_are_this_users_alone(place: Place) -> None:
    """Both of them, whatever the umask."""
    for folder in (place.folder, place.folder.parent):
        assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("which", ["folder", "parent"])
@pytest.mark.parametrize("mode", [0o777, 0o750, 0o701])
def test_a_planted_folder_that_others_can_enter_is_refused(
    runtime: Path, which: str, mode: int
) -> None:
    """They could have put anything into it."""
    folder = Place.of_job("job").folder
    planted = folder if which == "folder" else folder.parent
    planted.chmod(mode)
    with pytest.raises(OwnerGone, match=rf"alone \(owner \d+, mode {mode:o}") as caught:
        Place.of_job("job")
    assert "remove it" in (caught.value.remedy or "")
    with pytest.raises(OwnerGone, match="alone"):
        Place(planted).take()


@pytest.mark.parametrize("which", ["folder", "parent"])
def test_a_planted_link_is_refused(runtime: Path, tmp_path: Path, which: str) -> None:
    """Even to a folder that is this user's alone."""
    folder = Place.of_job("job").folder
    planted = folder if which == "folder" else folder.parent
    planted.rename(tmp_path / "elsewhere")
    planted.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OwnerGone, match="it is a link"):
        Place.of_job("job")


def test_a_planted_file_is_refused(runtime: Path) -> None:
    """As a link is."""
    (runtime / "mlsecrets").touch(mode=0o600)
    with pytest.raises(OwnerGone, match="it is no folder"):
        Place.of_job("job")


def test_another_users_folder_is_refused(runtime: Path) -> None:
    """Even an empty one of mode 0700: it can be moved and replaced by its owner."""
    if os.getuid() != 0:
        pytest.skip("needs root to make another user's folder")
    folder = Place.of_job("job").folder
    os.chown(folder, 65534, 65534)
    with pytest.raises(OwnerGone, match=r"owner 65534, mode 700; expected 0"):
        Place.of_job("job")


def test_a_runtime_folder_in_which_others_can_rename_is_passed_over(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is checked there now could be something else a moment later."""
    monkeypatch.setattr("tempfile.gettempdir", lambda: "/tmp")
    runtime.chmod(0o777)
    made = Place.of_job(f"test {os.getpid()}")
    try:
        assert made.folder.parent.parent == Path("/tmp")
    finally:
        made.folder.rmdir()


def test_a_runtime_folder_that_is_too_long_is_passed_over(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """unix(7) allows 107 bytes; test runners' folders are longer."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/tmp/" + "x" * 120)
    for made in (Place.of_job(f"test {os.getpid()}"), Place.private()):
        try:
            assert len(os.fsencode(made.socket)) <= LONGEST_PATH
        finally:
            made.folder.rmdir()


def test_no_folder_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what was wrong with each, and what to set."""
    monkeypatch.setattr(
        "mlsecrets._broker._place._bases",
        lambda: [Path("/tmp/" + "x" * 120), Path("/no/such/folder")],
    )
    with pytest.raises(OwnerGone, match=r"too long; /no/such/folder: No such") as error:
        Place.of_job("job")
    assert "XDG_RUNTIME_DIR" in (error.value.remedy or "")


def test_a_private_place_is_the_same_for_each_block(runtime: Path) -> None:
    """A forkserver remembers the path of the first."""
    first = Place.private()
    assert first.take()
    beside = Place.private()
    assert beside != first
    first.give_up()
    assert not first.folder.exists()
    assert Place.private() == first
    for used in (first, beside):
        used.take()
        used.give_up()
    assert list(runtime.iterdir()) == []


# -- who owns it ---------------------------------------------------------------------


def test_a_place_has_one_owner(place: Place, child: Start) -> None:
    """Its holder says who, in the owner and in others."""
    assert place.take()
    assert not place.take()
    assert place.holder() == os.getpid()
    other = child(
        "print(place.take(), place.holder(), place.is_ours())\n", place.folder
    )
    assert other.says() == f"False {os.getpid()} False"


def test_asking_does_not_lose_the_lock(place: Place, child: Start) -> None:
    """A process loses a record lock when it closes any descriptor of its file."""
    stop = threading.Event()
    asked = []

    def ask() -> None:
        while not stop.is_set():
            if place.lock.exists():
                asked.append(place.holder())

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(50):
        place.give_up()
        assert place.take()
    stop.set()
    for thread in threads:
        thread.join()
    assert set(asked) <= {os.getpid(), _lock.NOBODY}
    second_name = place.folder / "second"
    os.link(place.lock, second_name)
    assert _lock.holder(second_name) == os.getpid()
    assert not _lock.take(second_name)
    other = child("print(place.take())", place.folder)
    assert other.says() == "False"


def test_a_place_is_not_cleaned_up_as_old(place: Place) -> None:
    """The sticky bit says so to systemd-tmpfiles; a job may last for weeks."""
    place.take()
    with place.bind():
        for path in (place.lock, place.socket):
            assert path.stat().st_mode & 0o7777 == 0o1600
    place.give_up()
    assert place.lock.stat().st_mode & 0o7777 == 0o600  # now it may grow old


def test_giving_up_takes_the_socket_away_and_leaves_the_lock(place: Place) -> None:
    """Somebody may have the lock open: were it unlinked, there could be two owners."""
    place.take()
    place.bind().close()
    place.give_up()
    assert [path.name for path in place.folder.iterdir()] == ["owner.lock"]
    assert place.holder() == _lock.NOBODY
    assert place.take()


def test_an_owner_that_is_killed_leaves_a_place_that_can_be_taken(
    place: Place, child: Start
) -> None:
    """At once; the stale socket is removed before anybody can be the owner."""
    owner = child(OWN + WAIT, place.folder)
    assert owner.says() == "True"
    assert place.holder() == owner.pid
    assert not place.take()
    owner.kill()
    assert place.socket.is_socket()
    assert place.holder() == _lock.NOBODY
    assert place.take()
    assert not place.socket.exists()


@pytest.mark.parametrize("tells", [True, False])
def test_whether_there_is_an_owner_can_be_asked(
    place: Place, child: Start, monkeypatch: pytest.MonkeyPatch, tells: bool
) -> None:
    """Also where the system does not tell who; asking elects nobody."""
    monkeypatch.setattr(_lock, "_TELLS", tells and _lock._TELLS)
    assert place.holder_is_gone()
    owner = child(OWN + WAIT, place.folder)
    assert owner.says() == "True"
    assert not place.holder_is_gone()
    owner.kill()
    assert place.holder_is_gone()
    assert not place.is_ours()
    assert place.take()
    assert not place.holder_is_gone()
    assert place.is_ours()


def test_a_lock_that_was_removed_elects_nobody(place: Place, child: Start) -> None:
    """Its holder keeps its hands off what the next owner has put there."""
    place.take()
    place.lock.unlink()
    assert not place.is_ours()
    owner = child(OWN + WAIT, place.folder)
    assert owner.says() == "True"
    assert place.holder() == owner.pid
    place.give_up()
    assert place.socket.exists()
    assert place.lock.exists()
    owner.kill()


def test_a_place_whose_folder_is_gone_is_made_again(place: Place) -> None:
    """Something cleaned up the temporary folder, or the last owner did."""
    place.folder.rmdir()
    assert place.take()
    assert place.folder.stat().st_mode & 0o777 == 0o700


def test_a_link_in_the_place_of_the_lock_is_not_followed(
    place: Place, tmp_path: Path
) -> None:
    """Nor is a pipe waited for."""
    place.lock.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OwnerGone, match="cannot hold"):
        place.take()
    with pytest.raises(OwnerGone, match="cannot be read"):
        place.holder()
    assert not (tmp_path / "elsewhere").exists()
    place.lock.unlink()
    os.mkfifo(place.lock)
    assert place.holder() == _lock.NOBODY


#: Twenty processes race; each winner is killed, and the rest race again.
RACE = """
import select
N = 20
children = {}
for _ in range(N):
    (theirs, mine), (back, answer) = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        while os.read(theirs, 1):
            os.write(answer, b"1" if place.take() else b"0")
        os._exit(0)
    children[pid] = mine, back
while children:
    for mine, _ in children.values():
        os.write(mine, b"x")
    answers = {pid: os.read(back, 1) for pid, (_, back) in children.items()}
    winners = [pid for pid, answer in answers.items() if answer == b"1"]
    print(len(winners), place.holder() == winners[0])
    for pid in winners:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        del children[pid]
"""


def test_of_twenty_that_race_one_wins(place: Place, child: Start) -> None:
    """In each of twenty rounds: when a winner is killed, exactly one follows."""
    racers = child(RACE, place.folder)
    assert racers.rest() == ["1 True"] * 20


#: As above, but a winner ends its private place as one does, and takes part again.
RELAY = """
N, TURNS = 4, 100
for _ in range(N):
    if os.fork() == 0:
        won = 0
        while won < TURNS // N:
            if place.take():
                try:
                    mark = os.open(sys.argv[2], os.O_CREAT | os.O_EXCL)
                except FileExistsError:
                    print("two owners", flush=True)
                    os._exit(1)
                place.bind().close()
                assert place.socket.exists() and place.is_ours()
                os.close(mark)
                os.unlink(sys.argv[2])
                place.give_up()
                won += 1
        os._exit(0)
print({os.wait()[1] for _ in range(N)}, place.folder.exists())
"""


def test_a_private_place_never_has_two_owners(
    runtime: Path, tmp_path: Path, child: Start
) -> None:
    """Though each one removes the whole folder while others try to take it."""
    racers = child(RELAY, Place.private().folder, tmp_path / "mark")
    assert racers.rest() == ["{0} False"]


#: A child of the owner says what it sees, ends or stays, and its parent says the same.
FORK = """
place.take()
served = place.bind()
lines = sys.stdin
pid = os.fork()
if pid == 0:
    print(place.is_ours(), place.holder() == os.getppid(), place.take())
    print(os.getpid(), flush=True)
    place.give_up()
    if sys.argv[2] == "ends":
        os._exit(0)
    time.sleep(60)
    os._exit(0)
if sys.argv[2] == "ends":
    os.waitpid(pid, 0)
    print(place.is_ours(), place.socket.exists(), flush=True)
lines.readline()
os._exit(0)
"""


def test_a_forked_child_neither_holds_nor_releases_the_lock(
    place: Place, child: Start
) -> None:
    """What it closes, and its end, leave its parent the owner."""
    owner = child(FORK, place.folder, "ends")
    assert owner.says() == "False True False"
    assert int(owner.says()) != owner.pid
    assert owner.says() == "True True"
    assert place.holder() == owner.pid
    assert not place.take()
    owner.kill()


def test_a_program_that_the_owner_starts_leaves_it_the_lock(
    place: Place, child: Start
) -> None:
    """Though all descriptors are closed before the program begins."""
    code = "import subprocess\nplace.take()\nsubprocess.run(['true'], check=True)\n"
    owner = child(code + "print('ran', flush=True)\n" + WAIT, place.folder)
    assert owner.says() == "ran"
    assert place.holder() == owner.pid


def test_a_child_that_outlives_the_owner_does_not_hold_the_lock(
    place: Place, child: Start
) -> None:
    """Nor does it keep anybody from being the next one."""
    owner = child(FORK, place.folder, "stays")
    assert owner.says() == "False True False"
    orphan = int(owner.says())
    owner.kill()
    try:
        os.kill(orphan, 0)  # it lives
        assert place.holder() == _lock.NOBODY
        assert place.take()
    finally:
        os.kill(orphan, signal.SIGKILL)


# -- where it answers ----------------------------------------------------------------


def test_a_socket_gets_its_name_when_it_listens(place: Place) -> None:
    """And one can connect through that name, which it was not bound to."""
    place.take()
    with place.bind() as listening, socket.socket(socket.AF_UNIX) as worker:
        worker.connect(str(place.socket))
        answering, _ = listening.accept()
        with answering:
            answering.sendall(b"here")
        assert worker.recv(4) == b"here"
        names = {path.name for path in place.folder.iterdir()}
    assert names == {"owner.lock", "socket"}
    assert place.socket.stat().st_mode & 0o777 == 0o600


def test_only_the_owner_listens(place: Place) -> None:
    """A socket of anybody else's would be refused by all who connect."""
    with pytest.raises(OwnerGone, match="does not hold"):
        place.bind()


def test_a_place_that_is_too_long_says_so(tmp_path: Path) -> None:
    """With both lengths, before the system's own error that names neither."""
    long = Place(tmp_path / ("x" * 100))
    assert long.take()
    length = len(os.fsencode(long.socket))
    with pytest.raises(OwnerGone, match=f"{length} bytes, and .* may have 107"):
        long.bind()
    long.give_up()
