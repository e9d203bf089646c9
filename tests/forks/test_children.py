"""However a child came to be and however it ends, its parent's lease is untouched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from mlsecrets import Lease, Reference, _current, _tenant, lease
from mlsecrets._forks import notice
from mlsecrets._signals import SigtermExit
from mlsecrets.errors import SecretBufferClosed
from mlsecrets.training import exits_on_sigterm
from tests.broker.owner import Owner
from tests.forks.children import LONGEST, fork_in_c, run_in_child
from tests.forks.conftest import StoppingIssuer

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*multi-threaded.*fork:DeprecationWarning"
)


@pytest.mark.parametrize("fork", [os.fork, fork_in_c])
def test_a_child_reads_its_parents_lease(
    issuer: StoppingIssuer, fork: Callable[[], int]
) -> None:
    """Also one that was forked by C code, where Python tells us nothing."""
    with lease("data") as data:
        grant = data.snapshot()

        def body() -> None:
            with pytest.raises(SecretBufferClosed):
                grant.credentials.reveal("token")
            mine = Reference("data").source().snapshot()
            assert mine.credentials.reveal("token") == "fake-token-000001"
            assert data.snapshot().credentials is mine.credentials

        run_in_child(body, fork=fork)
    assert issuer.count("issue") == 1


def test_a_child_forked_by_c_code_holds_no_lease(owner: Owner) -> None:
    """It must not take itself for the owner of what its parent holds."""

    def body() -> None:
        assert _current.current() is None
        assert owner.live.forgotten
        assert not owner.broker.place.is_ours()

    run_in_child(body, fork=fork_in_c)
    assert owner.broker.place.is_ours()


def test_children_of_children_read_it_too(owner: Owner) -> None:
    """Each asks the owner for itself."""

    def read() -> None:
        Reference("data").source().snapshot().credentials.reveal("token")

    def fork_once_more() -> None:
        run_in_child(read)
        read()

    def body() -> None:
        read()
        run_in_child(fork_once_more)

    run_in_child(body)
    workers = {event.detail["worker"] for event in owner.journal.events("attached")}
    assert len(workers) == 3


@pytest.mark.parametrize("error", [SystemExit(0), KeyError("x"), None])
def test_a_child_that_leaves_its_parents_block_ends_nothing(
    issuer: StoppingIssuer, error: BaseException | None
) -> None:
    """By an exception, by `sys.exit`, or at its end; nor do its exit hooks."""
    pids: list[int] = []

    def leave(data: Lease) -> None:
        data.snapshot()
        if error is not None:
            raise error

    try:
        with lease("data") as data:
            pids.append(os.fork())
            if pids[0] == 0:
                leave(data)
            else:
                _, status = os.waitpid(pids[0], 0)
                assert os.waitstatus_to_exitcode(status) == 0
                assert issuer.calls == [("issue", "data")]
                assert data.snapshot().terms.generation == 1
                run_in_child(lambda: Reference("data").source().snapshot())
    except BaseException:
        if pids and pids[0] != 0:
            raise
    if pids[0] == 0:
        # As the exit hooks do. A call to the issuer would have been counted here.
        _current._close()
        _tenant._close()
        os._exit(0 if issuer.calls == [("issue", "data")] else 1)
    assert issuer.calls == [("issue", "data"), ("end", "data")]


EXITING = """
import os, sys
from mlsecrets.testing import FakeClock
from tests.broker.owner import Owner
owner = Owner()
if os.fork() == 0:
    sys.exit(0)  # through every exit hook and finaliser
os.wait()
print(owner.issuer.count("end"), owner.broker.path.exists())
owner.close()
print(owner.issuer.count("end"), owner.broker.path.exists())
"""


def test_the_exit_hooks_of_a_child_leave_everything_alone() -> None:
    """Neither the credentials nor the socket end with it."""
    done = subprocess.run(
        [
            sys.executable,
            *("-W", "ignore::DeprecationWarning"),  # of forks beside threads
            *("-c", EXITING),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=LONGEST,
    )
    assert done.stdout.split() == ["0", "True", "1", "False"]
    assert done.stderr == ""


def test_what_ends_a_worker_ends_it() -> None:
    """SIGTERM is the parent's to turn into an exit: a child leases nothing."""
    before = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    exits = SigtermExit()
    exits.install()
    try:

        def body() -> None:
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL

        run_in_child(body)
        # A framework that lets its step finish takes its place, and no other's.
        assert exits_on_sigterm(signal.getsignal(signal.SIGTERM))
        assert not exits_on_sigterm(signal.SIG_DFL)
    finally:
        exits.remove()
        signal.signal(signal.SIGTERM, before)


def test_noticing_costs_a_parent_nothing(owner: Owner) -> None:
    """Only a child forgets."""
    notice()
    assert not owner.live.forgotten
