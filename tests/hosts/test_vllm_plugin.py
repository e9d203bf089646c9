"""The plugin for vLLM, loaded as vLLM loads it, in each kind of its processes.

vLLM itself is not run: its wheel is for CUDA. `load_general_plugins` is what its
processes do (vllm/plugins/__init__.py): all entry points of a group, loaded and called.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import entry_points
from multiprocessing import get_context
from pathlib import Path

import fsspec
import pytest

from mlsecrets import configure, lease
from mlsecrets.devstack import DevStack

GROUP = "vllm.general_plugins"
OBJECT = "datasets/digits/plugin.bin"

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*multi-threaded.*fork:DeprecationWarning"
)


@pytest.fixture
def stack(mlsecrets_stack: DevStack) -> DevStack:
    """The stack with an object to read, and this process configured for it."""
    configure(mlsecrets_stack.manifest_path)
    store = mlsecrets_stack.admin_s3()
    bucket, key = OBJECT.split("/", 1)
    store.put_object(Bucket=bucket, Key=key, Body=b"weights")
    store.close()
    return mlsecrets_stack


def load_general_plugins() -> None:
    """As in vLLM; other plugins of the group may be installed."""
    plugins = {plugin.name: plugin.load() for plugin in entry_points(group=GROUP)}
    plugins["mlsecrets"]()


def engine(times: int) -> tuple[bytes, bool]:
    """A process of vLLM's: loads plugins, reads; and whether it holds no lease."""
    from mlsecrets import _current

    for _ in range(times):
        load_general_plugins()
    with fsspec.open(f"s3://{OBJECT}") as file:
        content = file.read()
    return content, _current.current() is None


def engine_and_worker(method: str) -> list[tuple[bytes, bool]]:
    """An engine core that starts a worker of its own."""
    mine = engine(2)
    with get_context(method).Pool(1) as workers:
        return [mine, workers.apply(engine, (1,))]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_every_process_reads_plain_addresses_on_the_lease(
    stack: DevStack, method: str
) -> None:
    """The parent with its block, its engine, and the engine's worker."""
    journal = stack.folder / f"vllm-{method}.jsonl"
    configure(stack.manifest_path, journal=journal)
    # Its processes may have children, as those of a Pool may not.
    executor = ProcessPoolExecutor(1, mp_context=get_context(method))
    with lease("train-data"), executor:
        load_general_plugins()
        load_general_plugins()
        with fsspec.open(f"s3://{OBJECT}") as file:
            assert file.read() == b"weights"
        answers = executor.submit(engine_and_worker, method).result()
    assert answers == [(b"weights", True)] * 2
    assert "s3" not in fsspec.config.conf  # nothing stays behind after the block
    events = map(json.loads, journal.read_text().splitlines())
    assert {event["pid"] for event in events} == {os.getpid()}


LOADED = """
import sys
from importlib.metadata import entry_points
(plugin,) = [p for p in entry_points(group=sys.argv[1]) if p.name == "mlsecrets"]
attach = plugin.load()
attach()
attach()
for name in ("boto3", "botocore", "fsspec", "requests", "s3fs", "starlette", "typer"):
    assert name not in sys.modules, name
"""


def test_without_an_owner_nothing_is_done_and_little_imported() -> None:
    """In a plain environment: no owner is looked for, and nothing is said."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MLSECRETS_")}
    done = subprocess.run(
        [sys.executable, "-c", LOADED, GROUP],
        env=kept,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""


def test_an_owner_that_is_gone_stops_no_server(
    stack: DevStack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The plugin passes; a read says what is wrong, and is not done without a lease."""
    monkeypatch.setenv("MLSECRETS_SOCK", str(tmp_path / "socket"))
    monkeypatch.setattr(fsspec.config, "conf", dict(fsspec.config.conf))
    load_general_plugins()
    with pytest.raises(Exception, match="gone"):
        fsspec.filesystem("s3").cat_file(OBJECT)
