"""Every way to start a worker gives one that reads, and none that holds a secret."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import pytest
from joblib import Parallel, delayed
from joblib.externals.loky import ProcessPoolExecutor as LokyExecutor
from joblib.externals.loky import get_reusable_executor

from mlsecrets import Lease
from mlsecrets._bundle import Bundle
from mlsecrets._reference import Reference
from mlsecrets.errors import SecretBufferClosed
from tests.broker.owner import Owner, read_token

TOKEN = "fake-token-000001"

# What is told of a fork in a process with threads is the subject here.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*multi-threaded.*fork:DeprecationWarning"
)


def send_token(reference: Reference, pipe: Any) -> None:
    """In a worker: the token that it reads."""
    pipe.send((os.getpid(), read_token(reference)))


def take_snapshot(reference: Reference) -> Any:
    """In a worker: the credentials themselves, which its answer cannot hold."""
    return reference.source().snapshot()


def ready() -> int:
    return os.getpid()


@pytest.fixture
def data(owner: Owner) -> Lease:
    """The lease in the process that owns it."""
    return Lease(Reference("data", str(owner.broker.path), os.getpid()), owner.live)


@pytest.fixture
def loky() -> Iterator[LokyExecutor]:
    """Workers of joblib's, which take functions that only cloudpickle can send."""
    executor = LokyExecutor(max_workers=1)
    yield executor
    executor.shutdown()


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_process_reads_the_owners_lease(
    owner: Owner, data: Lease, method: str
) -> None:
    """One that is started by itself, and told which lease by its arguments."""
    context: Any = get_context(method)
    here, there = context.Pipe()
    process = context.Process(target=send_token, args=(data.reference, there))
    process.start()
    there.close()
    assert here.recv() == (process.pid, TOKEN)
    process.join()
    assert process.exitcode == 0
    assert owner.issuer.count("issue") == 1


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_an_executor_reads_the_owners_lease(
    owner: Owner, data: Lease, method: str
) -> None:
    """And what it cannot send back is said in the process that asked."""
    with ProcessPoolExecutor(1, mp_context=get_context(method)) as executor:
        assert executor.submit(read_token, data.reference).result() == TOKEN
        with pytest.raises(Exception, match="does not pickle; send the lease"):
            executor.submit(take_snapshot, data.reference).result()
        assert executor.submit(read_token, Reference("data")).result() == TOKEN
    assert owner.issuer.count("issue") == 1


@pytest.mark.parametrize("backend", ["loky", "multiprocessing"])
def test_joblib_reads_the_owners_lease(owner: Owner, data: Lease, backend: str) -> None:
    """With its own workers, and with those of the standard library."""
    with Parallel(n_jobs=2, backend=backend) as parallel:
        tokens = parallel(delayed(read_token)(data.reference) for _ in range(4))
    get_reusable_executor().shutdown()  # its workers would outlive the test
    assert tokens == [TOKEN] * 4
    assert owner.issuer.count("issue") == 1


def test_what_a_closure_captured_is_read_where_it_arrives(
    owner: Owner, data: Lease, loky: LokyExecutor
) -> None:
    """A function that uses a lease needs no change to be sent."""
    both = Bundle({"data": data})

    def work(limit: int, *, own: Lease = data) -> tuple[int, list[str]]:
        """Reads it all three ways."""
        grants = [held.snapshot() for held in (data, both["data"], own)]
        return os.getpid(), [
            grant.credentials.reveal("token")[:limit] for grant in grants
        ]

    pid, tokens = loky.submit(work, 99).result()
    assert tokens == [TOKEN] * 3
    assert pid != os.getpid()
    assert owner.issuer.count("issue") == 1


# -- raw credentials stay where they are ---------------------------------------------


def by_process(method: str) -> Callable[[Any], None]:
    def send(held: Any) -> None:
        context: Any = get_context(method)
        context.Process(target=print, args=({"held": [held]},)).start()

    return send


def by_pool(held: Any) -> None:
    with get_context("spawn").Pool(1) as pool:
        pool.apply(print, (held,))


def by_executor(held: Any) -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        executor.submit(print, held).result()


def by_initializer(held: Any) -> None:
    with get_context("spawn").Pool(1, initializer=print, initargs=(held,)):
        pass


def by_joblib(held: Any) -> None:
    with Parallel(n_jobs=2, backend="multiprocessing") as parallel:
        parallel([delayed(print)(held), delayed(print)(held)])


def by_pipe(held: Any) -> None:
    here, there = get_context("spawn").Pipe()
    with here, there:
        here.send(held)


def by_manager(held: Any) -> None:
    with get_context("spawn").Manager() as manager:
        manager.dict()["held"] = held


SENDING: dict[str, Callable[[Any], None]] = {
    "spawned process": by_process("spawn"),
    "process of a forkserver": by_process("forkserver"),
    "pool": by_pool,
    "pool's initializer": by_initializer,
    "executor": by_executor,
    "joblib": by_joblib,
    "pipe": by_pipe,
    "manager": by_manager,
}


@pytest.mark.parametrize("send", SENDING)
def test_a_raw_credential_is_not_sent(owner: Owner, send: str) -> None:
    """The process that tries is told at once what to send instead."""
    held = owner.live.snapshot(patient=False)
    with pytest.raises(TypeError, match="does not pickle; send the lease"):
        SENDING[send](held)


def test_a_raw_credential_is_not_sent_by_loky(owner: Owner, loky: LokyExecutor) -> None:
    """It wraps the error in its own, below which ours is to be read."""
    held = owner.live.snapshot(patient=False)
    with pytest.raises(Exception, match="pickle") as refused:
        loky.submit(lambda: held).result()
    assert "does not pickle; send the lease" in str(refused.value.__cause__)
    assert TOKEN not in str(refused.value.__cause__)


def test_a_raw_credential_does_not_come_back(owner: Owner, data: Lease) -> None:
    """A worker's answer is refused as well: the pool says why."""
    with (
        get_context("fork").Pool(1) as pool,
        pytest.raises(Exception, match="send the lease or its reference"),
    ):
        pool.apply(take_snapshot, (data.reference,))


def test_a_forked_worker_finds_no_secret_in_what_it_was_given(owner: Owner) -> None:
    """Nothing is sent there, so nothing can refuse: the memory is wiped instead."""
    held = owner.live.snapshot(patient=False)
    with get_context("fork").Pool(1, initializer=keep, initargs=(held,)) as pool:
        error = pool.apply(reveal_kept)
    assert isinstance(error, SecretBufferClosed)
    assert "send the lease or its reference" in str(error)
    assert held.credentials.reveal("token") == TOKEN


_kept: list[Any] = []


def keep(held: Any) -> None:
    _kept.append(held)


def reveal_kept() -> object:
    """In a worker: what became of a grant that its parent had."""
    try:
        return _kept[-1].credentials.reveal("token")
    except SecretBufferClosed as error:
        return error


# -- workers that are older than the lease -------------------------------------------


#: Starts workers, and only then an owner: their environment says nothing of it.
EARLY = """
import os, sys
from multiprocessing import get_context
from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor
from tests.broker.owner import Owner, read_token
from tests.broker.test_start_methods import ready
from mlsecrets import Reference

if __name__ == "__main__":
    context = get_context("forkserver")
    with context.Pool(1) as pool, Parallel(n_jobs=2) as parallel:
        pool.apply(ready)
        parallel(delayed(ready)() for _ in range(2))
        owner = Owner()
        os.environ["MLSECRETS_SOCK"] = str(owner.broker.path)
        sent = Reference("data", str(owner.broker.path), os.getpid())
        print(pool.apply(read_token, (sent,)))
        print(*parallel(delayed(read_token)(sent) for _ in range(2)))
        with context.Pool(1) as late:
            print(late.apply(read_token, (sent,)))
            print(late.apply(read_token, (Reference("data"),)))
    get_reusable_executor().shutdown()
    owner.close()
"""


@pytest.mark.parametrize("earlier", [{}, {"MLSECRETS_SOCK": "/tmp/mls-gone/socket"}])
def test_a_reference_shows_older_workers_the_way(earlier: dict[str, str]) -> None:
    """A forkserver, its pool and joblib's workers, all from before the block.

    They may be from an earlier one, which has ended. Once the reference has come, what
    knows only the scope, or a URL, finds it as well.
    """
    done = subprocess.run(
        [sys.executable, "-c", EARLY],
        capture_output=True,
        text=True,
        check=False,
        env={
            **{k: v for k, v in os.environ.items() if k != "MLSECRETS_SOCK"},
            **earlier,
        },
        timeout=60,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [TOKEN, f"{TOKEN} {TOKEN}", TOKEN, TOKEN]
