"""Ray's runtime environment: without secrets, and with the hook of our workers."""

from __future__ import annotations

from typing import Any, TypeVar

from mlsecrets import refuse_secrets

from ._hook import HOOK, NEXT, composed

Env = TypeVar("Env")


def runtime_env(**options: Any) -> dict[str, Any]:
    """A runtime environment made of Ray's own options, such as ``env_vars``.

    With it every worker of the job finds the leases of its node. Ray has room for one
    ``worker_process_setup_hook``: one that is given here, a function or its dotted
    name, is called after ours.

    Raises:
        SecretLeak: one of them holds a live secret; the message says which.
    """
    check_runtime_env(options)
    hook = options.get("worker_process_setup_hook")
    if isinstance(hook, str):
        # By name, so that the whole stays plain text, as job submission needs it.
        variables = {**options.get("env_vars", {}), NEXT: hook}
        return {
            **options,
            "env_vars": variables,
            "worker_process_setup_hook": HOOK,
        }
    ours = HOOK if hook is None else composed(hook)
    return {**options, "worker_process_setup_hook": ours}


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
