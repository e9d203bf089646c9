"""One real stack with MLflow for all tests of the guests, and a clean process each."""

from __future__ import annotations

import json
import os
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

import mlsecrets
from mlsecrets.devstack import DevStack

# MLflow decides this when it is imported.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["DO_NOT_TRACK"] = "true"

#: Seconds that each credential lives: replaced after half of it, about.
TTL = 4.0
#: The same, where a save has to be made sure of while the issuer is away.
LONG_TTL = 24.0


@pytest.fixture(scope="session")
def stack() -> Iterator[DevStack]:
    """OpenBao, the store, the revoker and MLflow, started once."""
    with DevStack(ttl=TTL, mlflow=True) as running:
        yield running


@pytest.fixture(scope="session")
def long_stack() -> Iterator[DevStack]:
    """The same; credentials outlive an outage for long enough to save something."""
    with DevStack(ttl=LONG_TTL, mlflow=True) as running:
        yield running


@pytest.fixture
def platform(stack: DevStack, monkeypatch: pytest.MonkeyPatch) -> Iterator[DevStack]:
    """The stack, this process configured for it; nothing may stay leased."""
    with configured(stack, monkeypatch):
        yield stack


@pytest.fixture
def patient(
    long_stack: DevStack, monkeypatch: pytest.MonkeyPatch
) -> Iterator[DevStack]:
    """The same, with credentials that live longer."""
    with configured(long_stack, monkeypatch):
        yield long_stack


@contextmanager
def configured(stack: DevStack, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A block in which this process leases from a stack."""
    for name in list(os.environ):
        if name.startswith(("MLFLOW_TRACKING", "MLSECRETS_", "OTEL_", "AWS_")):
            monkeypatch.delenv(name)
    mlsecrets.configure(stack.manifest_path)
    yield
    import mlflow

    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]  # as if it never had been
    mlsecrets.release("mlflow")
    assert mlsecrets.open_scopes() == ()
    mlsecrets.configure()


@pytest.fixture
def address(platform: DevStack, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where MLflow listens; runs go to an experiment that the job may use."""
    assert platform.mlflow is not None
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "guests")
    return platform.mlflow.address


@pytest.fixture
def data(platform: DevStack) -> None:
    """The objects that `lightning_parts.Stored` reads: eight times sixteen numbers."""
    store = platform.admin_s3()
    for number in range(8):
        body = struct.pack("16f", *[float(number)] * 16)
        store.put_object(Bucket="datasets", Key=f"digits/tiny/{number}.bin", Body=body)
    store.close()


class Front(ThreadingHTTPServer):
    """Stands before MLflow, slow or refusing, as MLflow itself may be.

    Attributes:
        delay: seconds before a request is passed on.
        refuse: how many tokens to refuse, first ones first, at every use of them.
        seen: each request's credential and how it was answered.
        metrics: how many values have arrived at MLflow in batches.
    """

    daemon_threads = True

    def __init__(self, behind: str) -> None:
        super().__init__(("127.0.0.1", 0), _Refuser)
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.behind = behind
        self.delay = 0.0
        self.refuse = 0
        self.metrics = 0
        self.counting = threading.Lock()
        self.refused: list[str] = []
        self.seen: list[tuple[str, int]] = []


class _Refuser(BaseHTTPRequestHandler):
    server: Front

    def do_GET(self) -> None:
        self._pass_on()

    def do_POST(self) -> None:
        self._pass_on()

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        front, token = self.server, self.headers.get("Authorization", "")
        time.sleep(front.delay)
        if token not in front.refused and len(front.refused) < front.refuse:
            front.refused.append(token)
        if token in front.refused:
            status, content = 401, b"refused"
        else:
            headers = {"Authorization": token, "Content-Type": "application/json"}
            answer = requests.request(
                self.command,
                front.behind + self.path,
                data=body,
                headers=headers,
                timeout=10,
            )
            status, content = answer.status_code, answer.content
            if status == 200 and self.path.endswith("/log-batch"):
                arrived = len(json.loads(body).get("metrics", []))
                with front.counting:
                    front.metrics += arrived
        front.seen.append((token, status))
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        """Nothing: the terminal is pytest's."""


@pytest.fixture
def front(address: str, platform: DevStack) -> Iterator[Front]:
    """A server before MLflow that refuses on demand; the lease is for it."""
    with Front(address) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        manifest = platform.manifest_path.with_name("front.toml")
        text = platform.manifest_path.read_text()
        manifest.write_text(text.replace(address, server.address))
        mlsecrets.configure(manifest)
        yield server
        server.shutdown()
        thread.join()
    manifest.unlink()
