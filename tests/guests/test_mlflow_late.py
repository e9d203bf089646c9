"""MLflow never holds the token, and records no secret."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from mlflow.utils import request_utils

import mlsecrets
from mlsecrets.exposure import Exposure, How
from mlsecrets.http import LateAdapter
from mlsecrets.memory import count_copies
from mlsecrets_mlflow import _sessions, tracking

LATE = (Exposure("mlflow", "token", How.LATE),)
REVEALED = (Exposure("mlflow", "token", How.REVEALED),)


@pytest.fixture(autouse=True)
def as_found() -> Iterator[None]:
    """MLflow as if no provider of ours had been asked in this process yet."""
    while _sessions._users:
        _sessions._leave()
    yield
    while _sessions._users:
        _sessions._leave()


# MLflow's own, when tracing first imports mlflow.pyfunc (3.17: types/responses.py).
@pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning")
def test_all_of_mlflows_requests_are_late(address: str, tmp_path: Path) -> None:
    """Also those of its own threads: batches, traces; and artifacts by the server."""
    file = tmp_path / "model.txt"
    file.write_text("weights")
    with tracking(address) as held:
        with mlflow.start_run() as run:
            mlflow.log_metric("loss", 0.5)
            waiting = mlflow.log_metrics({"later": 2.0}, synchronous=False)
            assert waiting is not None
            waiting.wait()
            mlflow.log_artifact(str(file))
            with mlflow.start_span("work"):
                pass
        assert run.info.artifact_uri.startswith("mlflow-artifacts:")
        mlflow.flush_trace_async_logging()
        assert held.exposure == LATE
        generation = held.snapshot()
        assert count_copies([generation.credentials.buffer]).copies == 0
    with tracking(address):
        assert mlflow.get_run(run.info.run_id).data.metrics == {
            "loss": 0.5,
            "later": 2.0,
        }
        assert mlflow.artifacts.load_text(f"{run.info.artifact_uri}/model.txt")


def test_a_program_without_a_block_is_late_too(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where only the environment names the provider."""
    monkeypatch.setenv("MLFLOW_TRACKING_AUTH", "mlsecrets")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with mlsecrets.lease("mlflow") as held:
        mlflow.MlflowClient().search_experiments(max_results=1)
        assert held.exposure == LATE


def test_retries_and_keep_alive_stay_mlflows(address: str) -> None:
    """The twin of a session has its adapters, and the connections only are ours."""
    arguments = (5, 2, 1.0, (503,), True, True)
    theirs = request_utils._get_request_session(*arguments).get_adapter(address)
    with tracking(address):
        ours = request_utils._get_request_session(*arguments).get_adapter(address)
    assert isinstance(ours, LateAdapter)
    assert isinstance(ours, type(theirs))
    assert ours.max_retries is theirs.max_retries
    options = "socket_options"
    assert (
        ours.poolmanager.connection_pool_kw[options]
        == theirs.poolmanager.connection_pool_kw[options]
    )


def test_mlflow_is_as_before_after_the_block(address: str) -> None:
    """The outermost one, for blocks may be nested."""
    before = request_utils._get_request_session
    with tracking(address):
        with tracking(address):
            pass
        assert request_utils._get_request_session is not before
    assert request_utils._get_request_session is before


def test_another_mlflow_is_shown_the_token(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without that seam it works all the same, and the exposure says how."""
    monkeypatch.setattr(_sessions, "_SOURCE", "_not_in_this_version")
    with tracking(address) as held:
        mlflow.MlflowClient().search_experiments(max_results=1)
        assert held.exposure == REVEALED


def test_a_secret_is_not_recorded(address: str) -> None:
    """Whatever it is logged as: the error names the key, and not the value."""
    with tracking(address) as held, mlflow.start_run() as run:
        text = held.snapshot().credentials.reveal("token", "test")
        for log in (
            lambda: mlflow.log_param("api_key", text),
            lambda: mlflow.log_params({"lr": 1, "api_key": f"Bearer {text}"}),
            lambda: mlflow.set_tag("api_key", text),
            lambda: mlflow.set_tags({"lr": "1", "api_key": text}),
        ):
            with pytest.raises(MlflowException, match="api_key") as refused:
                log()
            assert text not in str(refused.value)
            assert re.search(r"MLflow \(/api/.*\) would hold", str(refused.value))
        data = mlflow.get_run(run.info.run_id).data
    assert "api_key" not in data.params
    assert "api_key" not in data.tags
