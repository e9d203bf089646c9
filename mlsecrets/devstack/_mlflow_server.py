"""The owner's side of MLflow: its configuration, and waiting for it."""

from __future__ import annotations

import json
import secrets
from functools import partial

from ._folder import Folder
from ._local_http import healthy
from ._process import Command, Process
from ._python import python_environment, python_module
from ._readiness import wait_until

#: Seconds; measured 3-5, nearly all of it imports.
_READY_TIMEOUT = 120.0


class MLflowServer:
    """A running MLflow that knows jobs by the JWTs that OpenBao signs."""

    #: Its administrator, who logs in with the password of `admin_password_file`.
    admin_user = "admin"

    def __init__(self, folder: Folder, port: int, issuer: str) -> None:
        self._folder = folder
        self._issuer = issuer
        self._port = port
        self._home = folder.folder("mlflow")
        self.address = f"http://127.0.0.1:{port}"
        self.admin_password_file = folder.path / "mlflow-admin-password"

    def __repr__(self) -> str:
        return f"MLflowServer({self.address!r})"

    def command(self) -> Command:
        """Write the configuration; the command that runs on it."""
        password = self._folder.secret(self.admin_password_file.name)
        auth = self._folder.write("mlflow/auth.ini", self._authentication(password))
        content = {
            "port": self._port,
            "store": f"sqlite:///{self._home}/mlflow.db",
            "artifacts": str(self._folder.folder("mlflow/artifacts")),
            "session_key": secrets.token_urlsafe(32),
        }
        config = self._folder.write("mlflow/config.json", json.dumps(content))
        return Command(
            "mlflow",
            [*python_module("mlsecrets.devstack.mlflow_app"), "--config", str(config)],
            cwd=self._home,
            log=self._folder.logs / "mlflow.log",
            env={
                **python_environment(),
                "MLFLOW_AUTH_CONFIG_PATH": str(auth),
                "MLSECRETS_DEVSTACK_ISSUER": self._issuer,
                # 1414 -> 533 MB (measured): jobs of its own are not needed.
                "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
                "MLFLOW_DISABLE_TELEMETRY": "true",
                "DO_NOT_TRACK": "true",
            },
        )

    def wait(self, process: Process) -> None:
        """Return when it serves."""
        url = f"{self.address}/health"
        wait_until(process, partial(healthy, url), _READY_TIMEOUT)

    def _authentication(self, password: str) -> str:
        lines = {
            # Users may create experiments, manage those, and see no others.
            "default_permission": "NO_PERMISSIONS",
            "database_uri": f"sqlite:///{self._home}/auth.db",
            "admin_username": self.admin_user,
            "admin_password": password,
            "authorization_function": "mlsecrets.devstack.mlflow_auth:authenticate",
        }
        return "[mlflow]\n" + "".join(
            f"{name} = {value}\n" for name, value in lines.items()
        )
