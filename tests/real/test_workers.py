"""Workers inside a block read the owner's lease, however they are started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import fsspec
import pytest
import requests
from joblib.externals.loky import ProcessPoolExecutor as LokyExecutor

from mlsecrets import Lease, configure, errors, lease
from mlsecrets.devstack import DevStack
from mlsecrets.storage.worker_s3 import route_plain_s3
from mlsecrets.testing import FakeClock
from tests.real.conftest import Edit

Digits = dict[str, list[str]]


def read(url: str) -> tuple[int, bytes]:
    """In a worker: a plain URL, no set-up code."""
    with fsspec.open(url) as file:
        return os.getpid(), file.read(4)


def read_plainly(url: str) -> tuple[bytes, object]:
    """In a spawned worker: a plain s3:// URL; and what it was told before, without."""
    told = fsspec.config.conf.get("s3")
    route_plain_s3()
    return read(url)[1], told


def read_lease(captured: tuple[Lease, str]) -> bytes:
    """In a worker: a lease that came as an argument."""
    data, path = captured
    return bytes(data.filesystem().cat_file(path)[:4])


def tokens_asked_for(stack: DevStack) -> int:
    """How often OpenBao was asked for a token for the store, by its own account."""
    log = stack.openbao.audit_log.read_text().splitlines()
    return sum(
        entry["type"] == "request"
        and entry["request"]["path"].startswith("identity/oidc/token/")
        for entry in map(json.loads, log)
    )


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_workers_read_by_url(
    stack: DevStack, digits: Digits, tmp_path: Path, method: str
) -> None:
    """No issuer call, no identity, no secret in their environment."""
    journal = tmp_path / "journal.jsonl"
    # The owner's clock stands still: on a busy machine, starting the workers takes
    # longer than it would wait with its own renewal.
    clock = FakeClock(wall=None)
    configure(stack.manifest_path, journal=journal, clock=clock)
    before = tokens_asked_for(stack)
    with lease("train-data") as data:
        urls = [f"leases3://datasets/{key}" for key in digits["train"][:4]]
        with get_context(method).Pool(2) as pool:
            answers = pool.map(read, urls)
            direct = pool.map(read_lease, [(data, f"datasets/{digits['train'][0]}")])
            pool.close()
            pool.join()
    assert {content for _, content in answers} == {b"PAR1"}
    assert direct == [b"PAR1"]
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    # One; or more where the machine was so busy that the store ended a session early.
    of_lease = [e for e in events if e["scope"] == "train-data"]
    owners = [e for e in of_lease if e["event"] in {"issued", "replaced"}]
    assert tokens_asked_for(stack) - before == len(owners) > 0
    attached = {e["worker"] for e in events if e["event"] == "attached"}
    assert attached
    assert {pid for pid, _ in answers} <= attached
    assert {e["pid"] for e in events} == {os.getpid()}


def test_a_spawned_worker_reads_plain_urls_once_it_is_told_to(
    stack: DevStack, digits: Digits
) -> None:
    """Its parent's settings of fsspec have not reached it."""
    path = f"s3://datasets/{digits['train'][0]}"
    with lease("train-data"), get_context("spawn").Pool(1) as pool:
        assert pool.apply(read_plainly, (path,)) == (b"PAR1", None)


def test_a_forked_child_has_no_secret_of_its_own(stack: DevStack) -> None:
    """The kernel wiped its pages; what it reads, it reads from its parent."""
    with lease("train-data") as creds:
        grant = creds.snapshot()
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                grant.credentials.reveal("secret_access_key")
                answer = b"leaked"
            except errors.SecretBufferClosed:
                answer = b"wiped"
            answer += b" " + str(creds.snapshot().terms.generation).encode()
            os.write(writer, answer)
            os._exit(0)
        os.waitpid(pid, 0)
        os.close(writer)
        answer = os.read(reader, 100)
        os.close(reader)
    assert answer == b"wiped 1"


def test_a_launched_program_attaches(stack: DevStack, digits: Digits) -> None:
    """It may even say `lease` itself: the one that is open is used."""
    code = (
        "import sys, fsspec; from mlsecrets import lease\n"
        "with lease('train-data') as data:\n"
        "    print(data.snapshot().terms.lease_id)\n"
        "    print(len(fsspec.open(sys.argv[1]).open().read()))\n"
    )
    configure(stack.manifest_path, clock=FakeClock(wall=None))  # nothing falls due
    with lease("train-data") as data:
        lease_id = data.snapshot().terms.lease_id
        done = subprocess.run(
            [sys.executable, "-c", code, f"leases3://datasets/{digits['train'][0]}"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert data.snapshot().terms.lease_id == lease_id  # its end is not ours
    assert done.stdout.split()[0] == lease_id


def test_a_worker_gets_no_more_than_its_owner_leases(stack: DevStack) -> None:
    """It holds no identity to lease anything else with."""
    code = "from mlsecrets import lease; lease('checkpoints').__enter__()"
    with lease("train-data"):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False
        )
    assert done.returncode != 0
    assert "does not lease checkpoints" in done.stderr


def test_a_lease_that_was_sent_away_works_no_longer_than_its_block(
    stack: DevStack, edited: Edit
) -> None:
    """The worker that outlives the block is told so."""
    with lease("train-data") as data:
        reference = data.reference
        path = os.environ["MLSECRETS_SOCK"]
    code = (
        "import pickle, sys; from mlsecrets import Reference\n"
        f"Reference('train-data', {path!r}).source().snapshot()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert "OwnerGone" in done.stderr
    with pytest.raises(errors.LeaseClosed):
        reference.source()


# -- what libraries were given, in a worker ------------------------------------------


def by_fsspec(fs: Any, path: str) -> bytes:
    """In a worker: the first bytes of an object."""
    return bytes(fs.cat_file(path)[:4])


def by_pyarrow(fs: Any, path: str) -> bytes:
    """The same."""
    with fs.open_input_file(path) as file:
        return bytes(file.read(4))


def by_boto3(session: Any, path: str) -> bytes:
    """The same."""
    bucket, key = path.split("/", 1)
    answer = session.client("s3").get_object(Bucket=bucket, Key=key)
    return bytes(answer["Body"].read(4))


def by_options(options: Any, path: str) -> bytes:
    """The same."""
    return by_fsspec(fsspec.filesystem("s3", **options), path)


def by_auth(auth: Any, url: str) -> bytes:
    """In a worker: the header of a request that it would send."""
    prepared = requests.Request("GET", url, auth=auth).prepare()
    return prepared.headers["Authorization"].encode()[:10]


def by_http_session(session: Any, url: str) -> bytes:
    """The same, by a session that never holds the value."""
    prepared = session.prepare_request(requests.Request("GET", url))
    return bytes(prepared.headers["Authorization"].encode()[:10])


#: How each is used, and what of it the lease gives.
GIVEN: dict[str, tuple[Callable[[Any, str], bytes], Callable[[Lease], Any]]] = {
    "filesystem": (by_fsspec, lambda data: data.filesystem()),
    "pyarrow": (by_pyarrow, lambda data: data.pyarrow_filesystem()),
    "boto3": (by_boto3, lambda data: data.boto3_session()),
    "storage options": (by_options, lambda data: data.storage_options),
}
FOR_HTTP: dict[str, tuple[Callable[[Any, str], bytes], Callable[[Lease], Any]]] = {
    "auth": (by_auth, lambda creds: creds.auth()),
    "http session": (by_http_session, lambda creds: creds.http_session()),
}


#: A JWT, which begins like this; and what stands for it.
BEARER = {"auth": b"Bearer eyJ", "http session": b"Bearer ~ml"}


@pytest.fixture
def shared(edited: Edit) -> Path:
    """A manifest that lets workers have the tracking server's token, too."""
    return edited(("[scopes.mlflow]", "[scopes.mlflow]\nworkers = true"))


def place_of_use(creds: Lease) -> str:
    """An address that the scope's access names."""
    return str(next(a.url for a in creds.view.access if a.verb == "use"))


def test_what_libraries_were_given_works_in_a_worker(
    shared: Path, digits: Digits
) -> None:
    """As an argument, and in a closure, as it is sent by joblib, Ray and Dask."""
    configure(shared, clock=FakeClock(wall=None))
    path = f"datasets/{digits['train'][0]}"
    executor = LokyExecutor(max_workers=1)
    try:
        with lease("train-data", "mlflow") as both:
            data, creds = both["train-data"], both["mlflow"]
            url = place_of_use(creds)
            for read, given in GIVEN.values():
                assert executor.submit(read, given(data), path).result() == b"PAR1"
            for name, (read, given) in FOR_HTTP.items():
                sent = executor.submit(read, given(creds), url).result()
                assert sent == BEARER[name]
            held = [(read, given(data)) for read, given in GIVEN.values()]

            def work() -> list[bytes]:
                """With what came along, and with a lease of the bundle."""
                read_all = [read(given, path) for read, given in held]
                return [*read_all, by_auth(both["mlflow"].auth(), url)]

            answers = executor.submit(work).result()
    finally:
        executor.shutdown()
    assert answers == [b"PAR1"] * 4 + [BEARER["auth"]]


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_what_arrives_too_late_says_so_when_it_is_used(
    stack: DevStack, digits: Digits
) -> None:
    """Not while it is unpickled: a pool would drop the task, and wait for ever."""
    configure(stack.manifest_path, clock=FakeClock(wall=None))
    with get_context("fork").Pool(1) as pool:
        with lease("train-data") as data:
            held = [(read, given(data)) for read, given in GIVEN.values()]
        for read, given in held:
            if read is by_pyarrow:
                continue  # which takes every error for a file that is not there
            late = pool.apply_async(read, (given, f"datasets/{digits['train'][0]}"))
            with pytest.raises(errors.LeaseError, match=r"open|gone"):
                late.get(timeout=30)


#: Reads by URL, and again after each fork; its workers' garbage collector runs on the
#: thread on which s3fs closes what it finds.
FORKING = """
import asyncio, gc, sys, time
from multiprocessing import get_context
import fsspec, fsspec.asyn
from mlsecrets import configure, lease

def read():
    with fsspec.open(sys.argv[2]) as file:
        return file.read(4)

async def collect():
    gc.collect()

def work():
    assert read() == b"PAR1"
    asyncio.run_coroutine_threadsafe(collect(), fsspec.asyn.get_loop()).result()

configure(sys.argv[1])
with lease("train-data"):
    for _ in range(4):
        assert read() == b"PAR1"
        worker = get_context("fork").Process(target=work)
        worker.start()
        worker.join()
        assert worker.exitcode == 0
    begun = time.monotonic()
    assert read() == b"PAR1"
    print(time.monotonic() - begun)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.parametrize("scheme", ["s3", "leases3"])
def test_a_worker_does_not_close_what_its_parent_reads_with(
    stack: DevStack, digits: Digits, scheme: str
) -> None:
    """Neither a traceback in the worker, nor reads that hang in the parent."""
    url = f"{scheme}://datasets/{digits['train'][0]}"
    done = subprocess.run(
        [
            sys.executable,
            *("-W", "ignore:.*multi-threaded.*fork:DeprecationWarning"),
            *("-c", FORKING, str(stack.manifest_path), url),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stderr == ""
    # s3fs gives a hanging connection up after 15 s, botocore's after 60.
    assert float(done.stdout) < 10.0
