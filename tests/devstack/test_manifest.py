"""The manifest that a stack writes is ready to use."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from mlsecrets.devstack import DevStack
from mlsecrets.manifest import load

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@pytest.fixture(scope="module")
def manifest(stack: DevStack) -> dict[str, Any]:
    """As any TOML parser reads it."""
    return tomllib.loads(stack.manifest_path.read_text())


def test_it_says_where_the_engines_are(
    stack: DevStack, manifest: dict[str, Any]
) -> None:
    """Addresses, and the name that proofs for the revoker carry."""
    assert manifest["api"] == "mlsecrets/v1"
    assert manifest["issuers"]["bao"]["address"] == stack.openbao.address
    assert manifest["issuers"]["store"]["address"] == stack.store.address
    assert manifest["revokers"]["store"] == {
        "address": stack.revoker.address,
        "audience": stack.revoker.audience,
    }


def test_it_has_three_scopes_of_the_stack_s_ttl(
    stack: DevStack, manifest: dict[str, Any]
) -> None:
    """Data to read, checkpoints to write, and MLflow."""
    scopes = manifest["scopes"]
    assert list(scopes) == ["train-data", "checkpoints", "mlflow"]
    assert {scope["ttl"] for scope in scopes.values()} == {f"{stack.ttl}s"}
    assert scopes["train-data"]["access"] == ["read s3://datasets/digits/*"]
    assert scopes["checkpoints"]["access"] == ["write s3://checkpoints/run-*/*"]


def test_it_holds_no_secret(stack: DevStack, manifest: dict[str, Any]) -> None:
    """The identity is a reference to files beside it."""
    identity = manifest["identities"]["job"]
    text = stack.manifest_path.read_text()
    for key in ("role_id_file", "secret_id_file"):
        path = stack.manifest_path.parent / identity[key]
        assert path.read_text() not in text


def test_the_library_loads_it(stack: DevStack) -> None:
    """Strictly checked, and without a complaint."""
    loaded = load(stack.manifest_path)
    assert loaded.scope("train-data").ttl == stack.ttl
