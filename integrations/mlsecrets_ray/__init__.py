"""Leases in a Ray cluster: one owner on each node, and no secret in Ray's hands.

::

    import mlsecrets_ray
    import ray

    ray.init(runtime_env=mlsecrets_ray.runtime_env(env_vars={"EPOCHS": "3"}))
    with mlsecrets_ray.leased("train-data", manifest="/etc/ml/train.toml") as creds:
        data = ray.data.read_parquet(
            "datasets/digits/train", filesystem=creds["train-data"].filesystem()
        )

Ray writes a runtime environment into its logs, shows it in the dashboard and keeps it
in the cluster's key-value store, so nothing secret may be in it: tasks read what their
node's owner leases, or are given a lease, which travels as its reference. Environments
that others build are checked by `check_runtime_env`. Ray itself calls it for every
``ray.init`` and every submitted job if it is told to before::

    os.environ["RAY_RUNTIME_ENV_HOOK"] = "mlsecrets_ray.check_runtime_env"

That hook (Ray has room for one, and does without it under ``uv run``) does not see the
``runtime_env=`` of a single task or actor. Files that ``working_dir`` and
``py_modules`` name are not read.
"""

from __future__ import annotations

from ._hook import setup_hook
from ._leased import ClusterLeases, leased
from ._report import NodeReport
from ._runtime_env import check_runtime_env, runtime_env

__all__ = [
    "ClusterLeases",
    "NodeReport",
    "check_runtime_env",
    "leased",
    "runtime_env",
    "setup_hook",
]
