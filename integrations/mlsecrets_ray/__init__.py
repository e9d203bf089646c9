"""Ray's runtime environment, without secrets.

::

    from mlsecrets_ray import runtime_env

    ray.init(runtime_env=runtime_env(env_vars={"EPOCHS": "3"}, pip=["polars"]))

Ray writes a runtime environment into its logs, shows it in the dashboard and keeps it
in the cluster's key-value store, so nothing secret may be in it: tasks lease what they
need, or are given a lease's reference. Environments that others build are checked by
`check_runtime_env`. Ray itself calls it for every ``ray.init`` and every submitted job
if it is told to before::

    os.environ["RAY_RUNTIME_ENV_HOOK"] = "mlsecrets_ray.check_runtime_env"

That hook (Ray has room for one, and does without it under ``uv run``) does not see the
``runtime_env=`` of a single task or actor. Files that ``working_dir`` and
``py_modules`` name are not read.
"""

from __future__ import annotations

from typing import Any, TypeVar

from mlsecrets import refuse_secrets

__all__ = ["check_runtime_env", "runtime_env"]

Env = TypeVar("Env")


def runtime_env(**options: Any) -> dict[str, Any]:
    """A runtime environment made of Ray's own options, such as ``env_vars``.

    Raises:
        SecretLeak: one of them holds a live secret; the message says which.
    """
    return check_runtime_env(options)


def check_runtime_env(env: Env) -> Env:
    """The environment as it is, once it is known to hold no live secret.

    That includes what a function given as ``worker_process_setup_hook`` carries along:
    what it closes over, its defaults, and the globals of a script that it uses.

    Args:
        env: a dictionary, a ``RuntimeEnv``, or None if there is none.

    Raises:
        SecretLeak: it does hold one; the message says where.
    """
    refuse_secrets(env, "Ray's runtime_env")
    return env
