"""The real MLflow knows jobs by OpenBao's JWTs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

pytest.importorskip("mlflow.server", reason="the extra dev is not installed")

from mlsecrets.devstack import DevStack
from mlsecrets.devstack._mlflow_server import MLflowServer


@pytest.fixture(scope="module")
def tracking() -> Iterator[DevStack]:
    """A stack with MLflow."""
    with DevStack(ttl=60, mlflow=True, ops=True) as running:
        yield running


@pytest.fixture(scope="module")
def user(tracking: DevStack, job: Any) -> Any:
    """A job on that stack."""
    return type(job)(tracking)


@pytest.fixture(scope="module")
def server(tracking: DevStack) -> MLflowServer:
    """Its MLflow."""
    assert tracking.mlflow is not None
    return tracking.mlflow


def call(
    server: MLflowServer, token: str | None, method: str, path: str, **body: Any
) -> requests.Response:
    """A request to MLflow's REST API with a bearer token."""
    return requests.request(
        method,
        f"{server.address}/api/2.0/{path}",
        headers={"Authorization": f"Bearer {token}"} if token else {},
        json=body or None,
        timeout=30,
    )


def new_experiment(server: MLflowServer, token: str, name: str) -> str:
    """Its id."""
    answer = call(server, token, "POST", "mlflow/experiments/create", name=name)
    assert answer.status_code == 200, answer.text
    experiment: str = answer.json()["experiment_id"]
    return experiment


def test_a_job_logs_on_its_jwt(server: MLflowServer, user: Any) -> None:
    """An experiment of its own, a run, a metric, an artifact through the server."""
    token = user.jwt("mlflow")
    experiment = new_experiment(server, token, "digits")
    run = call(
        server, token, "POST", "mlflow/runs/create", experiment_id=experiment
    ).json()["run"]["info"]
    point = {"run_id": run["run_id"], "key": "loss", "value": 0.5, "timestamp": 1}
    logged = call(server, token, "POST", "mlflow/runs/log-metric", **point)
    assert logged.status_code == 200
    assert run["artifact_uri"].startswith("mlflow-artifacts:/")
    path = run["artifact_uri"].removeprefix("mlflow-artifacts:/")
    url = f"{server.address}/api/2.0/mlflow-artifacts/artifacts/{path}/model.bin"
    headers = {"Authorization": f"Bearer {token}"}
    assert requests.put(url, data=b"w", headers=headers, timeout=30).ok
    assert requests.get(url, headers=headers, timeout=30).content == b"w"


def test_a_renewed_jwt_is_the_same_user(server: MLflowServer, user: Any) -> None:
    """What one generation of the credential made, the next can use."""
    experiment = new_experiment(server, user.jwt("mlflow"), "generations")
    answer = call(
        server,
        user.jwt("mlflow"),
        "POST",
        "mlflow/runs/create",
        experiment_id=experiment,
    )
    assert answer.status_code == 200


def test_another_run_sees_nothing_of_it(
    server: MLflowServer, tracking: DevStack, user: Any
) -> None:
    """Users are runs, and experiments are private to who made them."""
    experiment = new_experiment(server, user.jwt("mlflow"), "private")
    password = tracking.openbao.ada_password_file.read_text()
    login = user.bao("POST", "auth/userpass/login/ada", password=password).json()
    ada = user.jwt("mlflow", login["auth"]["client_token"])
    path = f"mlflow/experiments/get?experiment_id={experiment}"
    assert call(server, ada, "GET", path).status_code == 403
    assert call(server, user.jwt("mlflow"), "GET", path).status_code == 200


@pytest.mark.parametrize("kind", ["none", "nonsense", "tampered", "for the store"])
def test_anything_but_a_jwt_for_mlflow_is_refused(
    kind: str, server: MLflowServer, user: Any
) -> None:
    """With 401, so that a client knows to come with a new one."""
    head, payload, signature = user.jwt("mlflow").split(".")
    token = {
        "none": None,
        "nonsense": "nonsense",
        "tampered": f"{head}.{payload}.{signature[::-1]}",
        "for the store": user.jwt("s3"),
    }[kind]
    answer = call(server, token, "GET", "mlflow/experiments/get?experiment_id=0")
    assert answer.status_code == 401
    if token is not None:
        assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_an_expired_jwt_is_refused_without_leeway(
    server: MLflowServer, tracking: DevStack, user: Any
) -> None:
    """One second past its expiry is past."""
    admin = tracking.openbao.admin()
    role = admin.request("GET", "identity/oidc/role/mlflow").json()["data"]
    changed = {name: role[name] for name in ("key", "template", "client_id")}
    admin.request("POST", "identity/oidc/role/mlflow", {**changed, "ttl": 0})
    try:
        dead_on_arrival = user.jwt("mlflow")
    finally:
        admin.request(
            "POST", "identity/oidc/role/mlflow", {**changed, "ttl": role["ttl"]}
        )
    path = "mlflow/experiments/get?experiment_id=0"
    assert call(server, dead_on_arrival, "GET", path).status_code == 401


def test_a_jwt_can_come_as_a_password(server: MLflowServer, user: Any) -> None:
    """For clients that only know user names and passwords."""
    url = f"{server.address}/api/2.0/mlflow/experiments/create"
    auth = ("anything", user.jwt("mlflow"))
    answer = requests.post(url, json={"name": "by password"}, auth=auth, timeout=30)
    assert answer.status_code == 200


def test_the_administrator_still_logs_in_by_password(server: MLflowServer) -> None:
    """MLflow's own users go on as before."""
    url = f"{server.address}/api/2.0/mlflow/users/get?username={server.admin_user}"
    password = server.admin_password_file.read_text()
    answer = requests.get(url, auth=(server.admin_user, password), timeout=30)
    assert answer.json()["user"]["is_admin"] is True
    wrong = requests.get(url, auth=(server.admin_user, "wrong password"), timeout=30)
    assert wrong.status_code == 401


def test_a_user_is_made_once_however_many_come_first(
    server: MLflowServer, tracking: DevStack, user: Any
) -> None:
    """The first requests of a job come from several threads."""
    admin = tracking.openbao.admin()
    entity = admin.request("GET", "identity/entity/name/job").json()["data"]["id"]
    metadata = {"project": "digits", "run_id": "a-new-one"}
    admin.request("POST", f"identity/entity/id/{entity}", {"metadata": metadata})
    try:
        token = user.jwt("mlflow")
    finally:
        metadata["run_id"] = tracking.openbao.run_id
        admin.request("POST", f"identity/entity/id/{entity}", {"metadata": metadata})
    with ThreadPoolExecutor(6) as pool:
        answers = list(
            pool.map(
                lambda n: call(
                    server, token, "POST", "mlflow/experiments/create", name=f"n{n}"
                ),
                range(6),
            )
        )
    assert [answer.status_code for answer in answers] == [200] * 6


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_secret_of_mlflow_s_shows(
    server: MLflowServer, tracking: DevStack, user: Any
) -> None:
    """Neither in argv and environ, nor, of what jobs sent it, in its log."""
    new_experiment(server, user.jwt("mlflow"), "shows nothing")
    call(server, user.jwt("s3"), "GET", "mlflow/experiments/get?experiment_id=0")
    config = json.loads((tracking.folder / "mlflow/config.json").read_text())
    own = {server.admin_password_file.read_text(), config["session_key"]}
    process = Path(f"/proc/{tracking.processes['mlflow']}")
    shown = (process / "cmdline").read_text() + (process / "environ").read_text()
    log = (tracking.logs / "mlflow.log").read_text()
    assert not [secret for secret in own if secret in shown + log]
    assert not [secret for secret in user.secrets if secret in log]


def test_mlflow_is_one_process_on_loopback(tracking: DevStack) -> None:
    """So that stopping it is one signal, and nobody outside can ask it anything."""
    process = psutil.Process(tracking.processes["mlflow"])
    assert process.children(recursive=True) == []
    listening = [
        connection.laddr.ip
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening == ["127.0.0.1"]
