"""A runtime environment holds no live secret: Ray writes it down in several places."""

from __future__ import annotations

import functools
import json
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mlsecrets import BearerToken, refuse_secrets
from mlsecrets.errors import SecretLeak
from mlsecrets_ray import check_runtime_env, runtime_env


@pytest.fixture
def token() -> Iterator[str]:
    """A live one."""
    held = BearerToken.of(secrets.token_hex(20))
    yield held.reveal("token")
    held.close()


def setup(token: str) -> Callable[[], None]:
    """A hook that carries a token along, as cloudpickle would."""
    return lambda: refuse_secrets(token, "nowhere")


@pytest.mark.parametrize(
    ("options", "where"),
    [
        (lambda t: {"env_vars": {"TOKEN": t}}, "env_vars.TOKEN"),
        (lambda t: {"env_vars": {t: "1"}}, "env_vars (a key)"),
        (lambda t: {"worker_process_setup_hook": setup(t)}, "hook.token"),
        (
            lambda t: {"worker_process_setup_hook": functools.partial(print, t)},
            "hook.args[0]",
        ),
        (
            lambda t: {"pip": {"packages": ["a"], "pip_install_options": [f"-i={t}"]}},
            "pip.pip_install_options[0]",
        ),
        (lambda t: {"working_dir": f"https://{t}@host/code.zip"}, "working_dir"),
    ],
)
def test_one_that_holds_a_secret_is_refused(
    token: str, options: Callable[[str], dict[str, Any]], where: str
) -> None:
    """Wherever it is, and the message says where that is."""
    with pytest.raises(SecretLeak) as refused:
        runtime_env(**options(token))
    said = refused.value.diagnostics()
    assert "Ray's runtime_env would hold token of bearer credentials at " in said
    assert where in said
    assert token not in said


def test_another_gets_our_hook_and_nothing_else(token: str) -> None:
    """Nothing is lost, and what is added is the name of a function."""
    options = {"env_vars": {"MLSECRETS_SOCK": "/run/x"}, "pip": ["polars"]}
    hook = {"worker_process_setup_hook": "mlsecrets_ray.setup_hook"}
    assert runtime_env(**options) == {**options, **hook}


def test_a_hook_named_by_the_user_stays_plain_text() -> None:
    """As it has to be for jobs that are submitted."""
    made = runtime_env(worker_process_setup_hook="their.hook", env_vars={"A": "1"})
    assert json.loads(json.dumps(made)) == {
        "worker_process_setup_hook": "mlsecrets_ray.setup_hook",
        "env_vars": {"A": "1", "MLSECRETS_RAY_NEXT_HOOK": "their.hook"},
    }


def test_one_of_somebody_elses_making_is_passed_on_as_it_is(token: str) -> None:
    """As Ray's hook has to: also where there is none."""

    class RuntimeEnv(dict[str, Any]):
        """Stands for Ray's own, which is a dictionary."""

    env = RuntimeEnv(env_vars={})
    assert check_runtime_env(env) is env
    assert check_runtime_env(None) is None
    with pytest.raises(SecretLeak):
        check_runtime_env(RuntimeEnv(env_vars={"TOKEN": token}))
