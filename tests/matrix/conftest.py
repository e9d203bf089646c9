"""One stack and one Ray cluster for all cells, some of which run at a time."""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

pytest.importorskip("lightning")
pytest.importorskip("mlflow")
pytest.importorskip("ray")
pytest.importorskip("transformers")

from mlsecrets.devstack import DevStack
from tests.matrix.cells import COVERING, Cell, every
from tests.matrix.measured import Measured
from tests.matrix.trial import Trial

#: Seconds that credentials live.
TTL = 6.0
#: "all" has every cell measured, not only those that cover each launcher and ending.
WHICH = "MLSECRETS_MATRIX"
#: A file, to which what was measured is appended as JSON lines.
RECORD = "MLSECRETS_MATRIX_RECORD"
#: How many run side by side: most of a run is waiting for the next generation.
TOGETHER = 2


def chosen() -> tuple[Cell, ...]:
    """The cells of this run of the tests."""
    return tuple(every()) if os.environ.get(WHICH) == "all" else COVERING


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each cell."""
    if "cell" in metafunc.fixturenames:
        metafunc.parametrize("cell", chosen(), ids=str, scope="session")


def selected(session: pytest.Session) -> list[Cell]:
    """Those whose tests are to run."""
    functions = [item for item in session.items if isinstance(item, pytest.Function)]
    params = [f.callspec.params for f in functions if "cell" in f.fixturenames]
    return [cell for cell in (p["cell"] for p in params) if isinstance(cell, Cell)]


@pytest.fixture(scope="session")
def stack() -> Iterator[DevStack]:
    """OpenBao, the store, the revoker and MLflow; and the objects that are read."""
    with DevStack(ttl=TTL, mlflow=True) as running:
        store = running.admin_s3()
        for number in range(8):
            body = struct.pack("16f", *[float(number)] * 16)
            store.put_object(
                Bucket="datasets", Key=f"digits/tiny/{number}.bin", Body=body
            )
        store.close()
        yield running


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a Ray cluster of one node, if a chosen cell needs it."""
    if not any(cell.framework == "Ray Train" for cell in selected(request.session)):
        yield ""
        return
    from _ray.cluster import HEAD, RAYS_OWN, STORE
    from ray.cluster_utils import Cluster

    with pytest.MonkeyPatch.context() as patched:
        for name, value in RAYS_OWN.items():
            patched.setenv(name, value)
        running = Cluster(
            initialize_head=True,
            head_node_args={
                "num_cpus": 4,
                "node_ip_address": HEAD,
                "include_dashboard": False,
                "object_store_memory": STORE,
            },
        )
        yield running.address
        running.shutdown()


Measuring = Callable[[Cell], Measured]


@pytest.fixture(scope="session")
def measure(
    request: pytest.FixtureRequest, stack: DevStack, cluster: str
) -> Iterator[Measuring]:
    """Starts all chosen cells at the first call, and waits for one of them."""
    on_cluster = threading.Lock()  # whose node has one owner at a time

    def trial(cell: Cell) -> Measured:
        alone = on_cluster if cell.framework == "Ray Train" else nullcontext()
        # A socket's path may have 107 bytes; pytest's own folders are too long.
        with alone, TemporaryDirectory(prefix="mls-", dir="/tmp") as folder:
            return Trial(cell, stack, Path(folder), cluster).run()

    with ThreadPoolExecutor(TOGETHER) as pool:
        futures: dict[Cell, Future[Measured]] = {
            cell: pool.submit(trial, cell) for cell in selected(request.session)
        }
        yield lambda cell: futures[cell].result()
        for future in futures.values():
            future.cancel()
