"""MLFLOW_TRACKING_AUTH=mlsecrets: which lease signs, and what happens without one."""

from __future__ import annotations

import multiprocessing
import re
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow
import pytest
import requests
import responses
from mlflow.exceptions import MlflowException
from mlflow.tracking.request_auth.registry import fetch_auth

import mlsecrets
from mlsecrets import _current, hold, lease
from mlsecrets.devstack import DevStack
from mlsecrets.errors import ManifestNotFound, NotLeased
from mlsecrets_mlflow import LeaseRequestAuthProvider, tracking

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Front


@pytest.fixture
def chosen(address: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """MLflow as users configure it for programs that we have no line in."""
    monkeypatch.setenv("MLFLOW_TRACKING_AUTH", "mlsecrets")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    return address


def search() -> None:
    """Some request to the tracking server."""
    mlflow.MlflowClient().search_experiments(max_results=1)


def another_second_than(instant: float) -> None:
    """Wait until the wall clock's second is another, which takes one at most."""
    while int(time.time()) == int(instant):
        time.sleep(0.05)


def test_mlflow_finds_it_by_its_entry_point(platform: object) -> None:
    """The name in MLFLOW_TRACKING_AUTH resolves to our provider."""
    with lease("mlflow"):
        assert repr(fetch_auth("mlsecrets")) == "<TrackingAuth>"


def test_making_one_does_nothing(tmp_path: Path) -> None:
    """MLflow makes one in every process, also where there is nothing to lease."""
    mlsecrets.configure()
    assert LeaseRequestAuthProvider().get_name() == "mlsecrets"
    assert mlsecrets.open_scopes() == ()


def test_without_a_block_the_scope_is_held(chosen: str) -> None:
    """The first request opens the lease; the next ones share it."""
    search()
    generation = hold("mlflow").snapshot().terms.generation
    search()
    assert hold("mlflow").snapshot().terms.generation == generation
    assert [view.name for view in mlsecrets.open_scopes()] == ["mlflow"]


def test_the_open_lease_for_the_server_is_chosen(
    chosen: str, platform: DevStack, tmp_path: Path
) -> None:
    """By its access, whatever the scope is called."""
    text = platform.manifest_path.read_text().replace("[scopes.mlflow]", "[scopes.lab]")
    manifest = platform.manifest_path.with_name("renamed.toml")
    manifest.write_text(text)
    mlsecrets.configure(manifest)
    with lease("lab"):
        search()
        assert [view.name for view in mlsecrets.open_scopes()] == ["lab"]
    manifest.unlink()


def test_the_variable_decides(chosen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLSECRETS_MLFLOW_SCOPE is used even where it is wrong, and then fails closed."""
    monkeypatch.setenv("MLSECRETS_MLFLOW_SCOPE", "train-data")
    with lease("mlflow", "train-data"), pytest.raises(MlflowException, match="may not"):
        search()


@responses.activate
def test_without_a_manifest_nothing_is_sent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Fails closed, with an error that says what to do."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_AUTH", "mlsecrets")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    mlsecrets.configure()
    with pytest.raises(ManifestNotFound) as refused:
        search()
    assert refused.value.remedy
    assert len(responses.calls) == 0


def test_the_token_goes_to_its_own_server_only(platform: DevStack) -> None:
    """A request elsewhere fails before it is sent."""
    elsewhere = "https://other.example.org"
    with lease("mlflow"), responses.RequestsMock() as network:
        network.add_passthru(platform.openbao.address)
        with pytest.raises(NotLeased, match=re.escape(elsewhere)):
            requests.get(elsewhere, auth=fetch_auth("mlsecrets"), timeout=1)
        assert len(network.calls) == 0


def test_a_refused_token_is_replaced_and_the_call_goes_on(front: Front) -> None:
    """A 401 is answered by the next generation's token, with the same body."""
    with tracking(front.address) as held:
        # OpenBao signs the same claims alike: a JWT of the same second is the same JWT.
        another_second_than(held.snapshot().terms.issued_at)
        front.refuse = 1
        with mlflow.start_run() as run:
            mlflow.log_metric("loss", 0.5)
        assert mlflow.get_run(run.info.run_id).data.metrics == {"loss": 0.5}
        # A renewal of its own time may have come besides.
        journal = _current.session().journal
        assert len(journal.events("rejected", scope="mlflow")) == 1
    assert [status for _, status in front.seen].count(401) == 1
    (first, _), (second, _) = front.seen[:2]
    assert first != second


def test_a_second_refusal_is_the_answer(front: Front) -> None:
    """One retry, not a loop."""
    with tracking(front.address):
        front.refuse = 1_000
        with pytest.raises(MlflowException, match="401"):
            search()
    assert [status for _, status in front.seen] == [401, 401]


def test_a_process_without_a_block_ends_its_run(
    chosen: str, platform: DevStack
) -> None:
    """At exit the run is ended while there are credentials, not left RUNNING."""
    code = f"""
        import mlflow, mlsecrets
        mlsecrets.configure({str(platform.manifest_path)!r})
        print(mlflow.start_run().info.run_id)
    """
    child = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    with lease("mlflow"):
        assert mlflow.get_run(child.stdout.split()[0]).info.status == "FINISHED"


def log_in_worker(run_id: str) -> None:
    """In another process: no manifest, no configuration."""
    mlflow.MlflowClient().log_metric(run_id, "of-worker", 4.0)


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(multiprocessing.get_context("fork").Process, id="fork"),
        pytest.param(multiprocessing.get_context("spawn").Process, id="spawn"),
    ],
)
# Threads are running here when it forks; the child uses none of them.
@pytest.mark.filterwarnings(
    "ignore:This process .* is multi-threaded:DeprecationWarning"
)
def test_worker_processes_are_signed_for(
    chosen: str, start: Callable[..., multiprocessing.Process]
) -> None:
    """Whatever way they were started, they read their owner's lease."""
    with lease("mlflow"):
        with mlflow.start_run() as run:
            worker = start(target=log_in_worker, args=(run.info.run_id,))
            worker.start()
            worker.join(60)
        assert worker.exitcode == 0
        metrics = mlflow.get_run(run.info.run_id).data.metrics
    assert metrics == {"of-worker": 4.0}
