"""The block around tracking: signed inside, everything sent at its end."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

import mlflow
import pytest
from mlflow.tracking.request_auth import registry

import mlsecrets
from mlsecrets.errors import LeaseError, NotLeased, UnknownScope
from mlsecrets_mlflow import flush, tracking

if TYPE_CHECKING:
    from .conftest import Front

#: Seconds: longer than a token that lives 4.
OUTLIVED = 5.0


def history(run_id: str, name: str) -> list[float]:
    """What the server has of a metric, read back on another lease."""
    with tracking():
        entries = mlflow.MlflowClient().get_metric_history(run_id, name)
    return sorted(entry.value for entry in entries)


def status(run_id: str) -> str:
    """A run's state on the server, read back on another lease."""
    with tracking():
        return str(mlflow.get_run(run_id).info.status)


def test_a_manifest_is_all_it_needs(address: str) -> None:
    """Without arguments: the scope "mlflow", at the server that it is for."""
    with tracking() as held:
        assert held.scope == "mlflow"
        assert mlflow.get_tracking_uri() == address
        with mlflow.start_run() as run:
            mlflow.log_metric("loss", 0.5)
    assert history(run.info.run_id, "loss") == [0.5]


def test_logging_outlives_its_tokens(address: str) -> None:
    """Metrics go on over several replacements, and none is lost."""
    generations: set[int] = set()
    with tracking(address) as held, mlflow.start_run() as run:
        end = time.monotonic() + OUTLIVED
        sent = 0
        while time.monotonic() < end or len(generations) < 3:
            mlflow.log_metric("step", sent)
            generations.add(held.snapshot().terms.generation)
            sent += 1
    assert len(history(run.info.run_id, "step")) == sent


def test_other_threads_are_signed_for(address: str) -> None:
    """MLflow's background threads and the user's know the lease too."""
    failures: list[BaseException] = []

    def log(run_id: str, name: str) -> None:
        try:
            mlflow.MlflowClient().log_metric(run_id, name, 1.0)
        except BaseException as error:
            failures.append(error)

    with tracking(address), mlflow.start_run() as run:
        threads = [
            threading.Thread(target=log, args=(run.info.run_id, f"of-{number}"))
            for number in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        waiting = mlflow.log_metrics({"later": 2.0}, synchronous=False)
        assert waiting is not None
        waiting.wait()
    assert failures == []
    assert history(run.info.run_id, "of-3") == [1.0]
    assert history(run.info.run_id, "later") == [2.0]


def test_what_is_pending_is_sent_before_the_lease_ends(front: Front) -> None:
    """The last line of a block may log asynchronously, to a slow server."""
    with tracking(front.address):
        client = mlflow.MlflowClient()
        experiment = mlflow.set_experiment("guests").experiment_id
        # Nothing here ends this run, which would make MLflow send what it has queued.
        run = client.create_run(experiment).info.run_id
        front.delay = 0.2
        for step in range(60):
            client.log_metric(run, "late", step, step=step, synchronous=False)
        assert front.metrics < 60
    assert front.metrics == 60


def test_after_an_exception_the_run_is_complete_and_failed(front: Front) -> None:
    """A run left open by an exception does not stay RUNNING for ever."""
    begun: list[str] = []

    @tracking(front.address)
    def train() -> None:
        begun.append(mlflow.start_run().info.run_id)
        front.delay = 0.2
        for step in range(60):
            mlflow.log_metric("late", step, step=step, synchronous=False)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train()
    assert front.metrics == 60
    assert mlflow.active_run() is None
    assert status(begun[0]) == "FAILED"


@pytest.mark.parametrize("call", ["flush_async_logging", "MlflowClient.set_terminated"])
def test_a_signal_at_the_end_does_not_leave_the_run_open(
    address: str, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """A launcher ends the other ranks of one that has failed, which fail by then."""
    signals = [SystemExit(143)]
    owner, _, name = call.rpartition(".")
    target = getattr(mlflow, owner) if owner else mlflow
    done = getattr(target, name)

    def interrupted(*args: object, **kwargs: object) -> object:
        if signals:
            raise signals.pop()
        return done(*args, **kwargs)

    monkeypatch.setattr(target, name, interrupted)
    begun = []

    def fail() -> None:
        with tracking(address):
            begun.append(mlflow.start_run().info.run_id)
            raise RuntimeError("the other rank has failed")

    with pytest.raises(SystemExit):
        fail()
    assert status(begun[0]) == "FAILED"


def test_a_server_that_is_gone_does_not_hide_the_exception(
    front: Front, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What the block raised is the news; that the run's end is lost is logged."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    @tracking(front.address)
    def train() -> None:
        mlflow.start_run()
        front.refuse = 1_000
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train()
    assert "did not get the end of the run" in caplog.text
    assert mlsecrets.open_scopes() == ()


def test_a_run_left_open_is_ended(address: str) -> None:
    """What is begun inside ends inside: nobody could end it later."""
    with tracking(address):
        run = mlflow.start_run()
    assert status(run.info.run_id) == "FINISHED"


def test_a_run_begun_outside_goes_on(address: str) -> None:
    """An inner block ends its own runs only."""
    with tracking(address), mlflow.start_run() as outer:
        with tracking(address):
            mlflow.start_run(nested=True)
        active = mlflow.active_run()
        assert active is not None
        assert active.info.run_id == outer.info.run_id


# MLflow's own, when tracing first imports mlflow.pyfunc (3.17: types/responses.py).
@pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning")
def test_traces_are_sent_too(address: str) -> None:
    """A span finished just before the end is on the server."""
    with tracking(address):
        with mlflow.start_span("work") as span:
            span.set_inputs({"n": 1})
        trace_id = span.trace_id
    with tracking(address):
        assert mlflow.get_trace(trace_id).data.spans[0].name == "work"


def test_flush_begins_no_run(address: str) -> None:
    """MLflow's own flush of artifacts would."""
    with tracking(address):
        flush()
        assert mlflow.active_run() is None


def test_the_process_is_as_before(address: str) -> None:
    """Environment and tracking URI are put back, also after an exception."""
    before, uri = dict(os.environ), mlflow.get_tracking_uri()
    inside: list[str] = []

    @tracking(address)
    def train() -> None:
        inside.append(os.environ["MLFLOW_TRACKING_AUTH"])
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train()
    assert inside == ["mlsecrets"]
    assert dict(os.environ) == before
    assert mlflow.get_tracking_uri() == uri


def test_a_tracking_uri_of_the_user_is_put_back(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the environment: used if none is given, and left as it was found."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with tracking():
        assert mlflow.get_tracking_uri() == address
    assert os.environ["MLFLOW_TRACKING_URI"] == address
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert mlflow.get_tracking_uri() != address


@pytest.mark.parametrize(
    "name",
    [
        "MLFLOW_TRACKING_TOKEN",
        "MLFLOW_TRACKING_PASSWORD",
        "OTEL_EXPORTER_OTLP_HEADERS",
    ],
)
def test_long_lived_credentials_beside_it_are_refused(
    address: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A static token in the environment is inherited and dumped, used or not."""
    monkeypatch.setenv(name, "static-and-secret")
    with pytest.raises(LeaseError, match=name) as refused, tracking(address):
        pass
    assert "static-and-secret" not in refused.value.diagnostics()


def test_a_signer_that_asks_no_provider_is_refused(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With MLFLOW_TRACKING_AWS_SIGV4 MLflow would not ask for the lease."""
    monkeypatch.setenv("MLFLOW_TRACKING_AWS_SIGV4", "true")
    with pytest.raises(LeaseError, match="SIGV4"), tracking(address):
        pass


def test_a_collector_for_traces_is_warned_of(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No provider signs what goes to an OpenTelemetry collector."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    with pytest.warns(UserWarning, match="no lease signs") as caught, tracking(address):
        pass
    assert caught[0].filename == __file__


def test_a_provider_that_mlflow_does_not_find_is_an_error(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow itself would warn, and send every request unsigned."""
    monkeypatch.setattr(registry._request_auth_provider_registry, "_registry", [])
    with pytest.raises(LeaseError, match="does not find"), tracking(address):
        pass


def test_a_server_that_the_scope_is_not_for_is_an_error(platform: object) -> None:
    """Found out at the start, before anything is sent to it."""
    with (
        pytest.raises(NotLeased, match=r"https://elsewhere\.example\.org"),
        tracking("https://elsewhere.example.org", scope="mlflow"),
    ):
        pass


def test_a_scope_for_no_server_is_an_error(platform: object) -> None:
    """The scope of a store says nothing of a tracking server."""
    with pytest.raises(NotLeased, match="0 servers"), tracking(scope="train-data"):
        pass


def test_a_scope_that_is_not_there_is_an_error(platform: object) -> None:
    """As from `lease`."""
    with pytest.raises(UnknownScope), tracking(scope="trakcing"):
        pass
    assert mlsecrets.open_scopes() == ()
