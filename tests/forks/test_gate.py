"""What a child must not be born in the middle of."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

import pytest

from mlsecrets import Lease, Reference, _forks, _sigv4_key
from mlsecrets._broker._socket import connect
from mlsecrets._forks import held_off
from mlsecrets._late._connection import LateConnection
from mlsecrets.clock import SYSTEM_CLOCK
from mlsecrets.errors import NotLeased
from mlsecrets.issuers._deadline import within
from mlsecrets.issuers._http import HTTPClient
from mlsecrets.memory import SecretBuffer
from mlsecrets.sweep._helper_process import helper_process
from tests.broker.owner import Owner
from tests.forks.children import LONGEST, Stop, run_in_child
from tests.issuers.peers import FINE, Peer, certificate, read_request, sealed
from tests.life import Background

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
    pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc"),
]


DESCRIPTORS = Path("/proc/self/fd")


def is_held_off() -> bool:
    """Whether a fork on another thread would have to wait now."""

    def try_it() -> bool:
        free = _forks._gate.acquire(blocking=False)
        if free:
            _forks._gate.release()
        return free

    trying = Background(try_it)
    trying.join()
    return not trying.result


def test_a_fork_waits_for_a_step_that_must_not_be_torn() -> None:
    """The child has the state from after it."""
    inside = threading.Event()
    state = ["begun"]
    forking = threading.get_ident()

    def step() -> None:
        with held_off():
            inside.set()
            while sys._current_frames()[forking].f_code.co_name != "_before":
                pass  # until the other thread waits in the fork
            state[0] = "done"

    stepping = Background(step)
    inside.wait()

    def body() -> None:
        assert state == ["done"]

    run_in_child(body)
    stepping.join()


def test_a_fork_waits_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """And its child is not held up by what its parent's thread still does."""
    monkeypatch.setattr(_forks, "LONGEST", 0.01)
    stop = Stop()

    def step() -> None:
        with held_off():
            stop()

    stepping = Background(step)
    stop.reached.wait()

    def body() -> None:
        with held_off():
            SecretBuffer.of("secret").close()

    run_in_child(body)
    stop.go.set()
    stepping.join()


def test_a_fork_does_not_wait_for_an_issuer(tmp_path: Path) -> None:
    """Only for the moments in which OpenSSL has what it said."""
    stop = Stop()

    def behave(connection: socket.socket) -> None:
        read_request(connection)
        stop()
        connection.sendall(FINE)

    pem = certificate(tmp_path, 10)
    with Peer(behave, pem) as peer:
        client = HTTPClient("issuer bao", peer.address, SYSTEM_CLOCK, pem)
        asking = Background(lambda: client.call("GET", "/", timeout=10.0))
        stop.reached.wait()
        run_in_child(lambda: None)
        assert asking.waiting
        stop.go.set()
        asking.join()
        assert asking.error is None
        client.close()


def test_openssl_has_plaintext_only_while_forks_are_held_off(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As a request is sent, and as its answer arrives."""
    held: dict[str, list[bool]] = {"send": [], "recv_into": []}

    def watched(name: str, step: Callable[..., Any]) -> Callable[..., Any]:
        def watching(*args: Any) -> Any:
            held[name].append(is_held_off())
            return step(*args)

        return watching

    pem = certificate(tmp_path, 10)

    def behave(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(FINE)

    with Peer(behave, pem) as peer:
        client = HTTPClient("issuer bao", peer.address, SYSTEM_CLOCK, pem)
        assert client._transport is not None
        with within(SYSTEM_CLOCK, 10.0) as deadline:
            with client._transport.connection(deadline) as made:
                made.reusable = True
            inner = made._socket
            assert isinstance(inner, ssl.SSLSocket)

            class Watched:
                send = staticmethod(watched("send", inner.send))
                recv_into = staticmethod(watched("recv_into", inner.recv_into))
                fileno = inner.fileno
                close = inner.close

            monkeypatch.setattr(made, "_socket", Watched())
            made.send(memoryview(b"GET / HTTP/1.1\r\n\r\n"), deadline)
            made.receive(memoryview(bytearray(100)), deadline)
        client.close()
    assert held["send"]
    assert held["recv_into"]
    assert all(held["send"] + held["recv_into"])


def test_a_head_is_sent_while_forks_are_held_off() -> None:
    """The one that holds a lease's token, late."""
    held = []

    class Watched:
        def gettimeout(self) -> float:
            return 5.0

        def sendall(self, view: memoryview) -> None:
            held.append(is_held_off())

        def fileno(self) -> int:
            return writer.fileno()

        def close(self) -> None:
            pass

    reader, writer = socket.socketpair()
    with reader, writer:
        connection = LateConnection("127.0.0.1")
        connection.sock = Watched()
        connection._send_head(memoryview(b"GET / HTTP/1.1\r\n\r\n"))
    assert held == [True]


def test_a_derived_key_exists_only_while_forks_are_held_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is a Python object, until it is wiped."""
    held = []
    put = _sigv4_key._put

    def watching(view: memoryview, derived: bytes) -> int:
        held.append(is_held_off())
        return put(view, derived)

    monkeypatch.setattr(_sigv4_key, "_put", watching)
    _sigv4_key.signature(sealed(b"k" * 40), ("20260101", "r", "s3"), "text")
    assert held == [True] * 3


# -- descriptors ---------------------------------------------------------------------


def descriptors() -> set[str]:
    """Sockets and pipes of this process, by what they lead to."""
    found = set()
    for path in DESCRIPTORS.iterdir():
        with suppress(OSError):  # that of the folder itself is closed already
            target = str(path.readlink())
            if target.startswith(("socket:", "pipe:")):
                found.add(target)
    return found


def name_of(descriptor: int) -> str:
    """What it leads to."""
    return str((DESCRIPTORS / str(descriptor)).readlink())


def test_a_child_has_none_of_the_owners_sockets(owner: Owner, tmp_path: Path) -> None:
    """Neither where it listens, nor those of its workers, nor one to an issuer.

    Whoever waits for the end of a connection waits for the last copy of it.
    """
    before = descriptors()
    pem = certificate(tmp_path, 10)
    answered = threading.Event()

    def behave(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(FINE)
        answered.wait()

    with Peer(behave, pem) as peer:
        client = HTTPClient("issuer bao", peer.address, SYSTEM_CLOCK, pem)
        client.call("GET", "/", timeout=10.0)
        assert client._transport is not None
        kept = client._transport._kept[0]._socket
        accepted: set[Any] = owner.broker._answering
        with connect(owner.broker.path, 5.0) as asking:
            while not accepted:
                pass
            ours = [kept, asking, *accepted, owner.broker._socket]
            ours += [owner.broker._wake, owner.broker._woken]
            names = {name_of(one.fileno()) for one in ours}
            assert len(names) == 6
            assert len(names - before) >= 3

            def body() -> None:
                assert not descriptors() & names

            run_in_child(body)
        client.close()
        answered.set()


def test_a_child_has_none_of_the_sweeps_pipes() -> None:
    """A helper whose process is killed is told by the end of one."""
    with helper_process() as (_, reads, writes):
        names = {name_of(pipe) for pipe in (reads, writes)}
        assert all(name.startswith("pipe:") for name in names)

        def body() -> None:
            assert not descriptors() & names

        run_in_child(body)
        assert names <= descriptors()


# -- imports -------------------------------------------------------------------------


def test_a_child_can_import_what_its_parent_was_importing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a module that another thread is importing, a child would wait for ever."""
    name = "mlsecrets.storage.polars"
    forking = threading.get_ident()
    inside = threading.Event()

    class Slow(MetaPathFinder):
        """Finds nothing, once the other thread waits in the fork."""

        def find_spec(self, fullname: str, *_: object) -> None:
            if fullname == name and not inside.is_set():
                inside.set()
                while sys._current_frames()[forking].f_code.co_name != "_before":
                    pass

    monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(sys, "meta_path", [Slow(), *sys.meta_path])
    lease = Lease(Reference("none"), None)

    def use() -> None:
        with pytest.raises(NotLeased):
            lease.polars_provider()

    using = Background(use)
    inside.wait()
    run_in_child(use)
    using.join()
    assert using.error is None


LOGGING = """
import sys
assert "logging" not in sys.modules
from mlsecrets import _forks
import logging, os, threading
_forks.LONGEST = _forks.LONGEST_IMPORT = threading.TIMEOUT_MAX
forking = threading.get_ident()
inside = threading.Event()
def work():
    with _forks.importing():
        inside.set()
        while sys._current_frames()[forking].f_code.co_name != "_before":
            pass
        logging.getLogger("of.a.library")
        from concurrent.futures import ThreadPoolExecutor
thread = threading.Thread(target=work)
thread.start()
inside.wait()
if os.fork() == 0:
    os._exit(0)
os.wait()
thread.join()
"""


def test_a_fork_and_an_import_do_not_wait_for_each_other() -> None:
    """A library makes loggers as it is imported, and logging has a hook of its own.

    Whichever of us was imported first.
    """
    done = subprocess.run(
        [
            *(sys.executable, "-W", "ignore:.*multi-threaded.*:DeprecationWarning"),
            *("-c", LOGGING),
        ],
        check=True,
        capture_output=True,
        timeout=LONGEST,
    )
    assert done.stderr == b""
