"""MLflow's server in one process: ``python -m mlsecrets.devstack.mlflow_app``.

The same application as ``mlflow server --app-name basic-auth --workers 1``, without
that command's second process. It starts in 3 s in place of 5 to 10, is one pid to
stop, and no secret shows in an environment: the command would pass the session key to
its worker that way. The price is the names of MLflow's own hand-over between the two
(``mlflow.server.constants``), so the MLflow version is pinned where we test.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

#: Artifacts go through the server; clients need no credentials for their store.
_ARTIFACT_ROOT = "mlflow-artifacts:/"


def environment(config: dict[str, Any]) -> dict[str, str]:
    """What MLflow's modules expect to find set when they are imported."""
    from mlflow.server import constants

    return {
        constants.BACKEND_STORE_URI_ENV_VAR: config["store"],
        constants.REGISTRY_STORE_URI_ENV_VAR: config["store"],
        constants.ARTIFACT_ROOT_ENV_VAR: _ARTIFACT_ROOT,
        constants.ARTIFACTS_DESTINATION_ENV_VAR: config["artifacts"],
        constants.SERVE_ARTIFACTS_ENV_VAR: "true",
        constants.FLASK_SERVER_SECRET_KEY_ENV_VAR: config["session_key"],
        # Makes the factory return the ASGI application.
        "_MLFLOW_SGI_NAME": "uvicorn",
    }


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(prog="mlsecrets-mlflow")
    parser.add_argument("--config", type=Path, required=True, help="a 0600 JSON file")
    config = json.loads(parser.parse_args().config.read_text())
    # Set now, so that /proc/PID/environ, which shows the start, does not hold it.
    os.environ.update(environment(config))

    import uvicorn
    from mlflow.server.handlers import initialize_backend_stores

    initialize_backend_stores(config["store"], config["store"], _ARTIFACT_ROOT)

    from mlflow.server.auth import create_app

    uvicorn.run(
        create_app(), host="127.0.0.1", port=config["port"], log_level="warning"
    )


if __name__ == "__main__":
    main()
