"""The schema that editors download is the one that this code checks by."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from mlsecrets.manifest import kinds
from mlsecrets.manifest.schema import built_in, json_schema, published

PUBLISHED = Path(__file__).parents[2] / "docs" / "mlsecrets.schema.json"


def test_the_published_schema_is_current() -> None:
    """Write it anew after a change of keys: see the module's docstring."""
    assert PUBLISHED.read_text("utf-8") == published()


def test_the_published_schema_is_a_schema() -> None:
    """Draft 2020-12, by its own metaschema."""
    jsonschema.Draft202012Validator.check_schema(json.loads(published()))


def test_the_module_prints_it() -> None:
    """The command that its docstring gives."""
    done = subprocess.run(
        [sys.executable, "-m", "mlsecrets.manifest.schema"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == published()


@pytest.mark.parametrize("group", ["issuers", "identities"])
def test_every_built_in_kind_is_in_it(group: str) -> None:
    """And each of its keys is explained to whoever edits a manifest."""
    tables = json_schema(built_in())["properties"][group]["additionalProperties"]
    assert tables["properties"]["kind"]["enum"] == built_in().names(group)  # type: ignore[arg-type]  # two literals
    for table in tables["allOf"]:
        for name, key in table["then"]["properties"].items():
            assert name == "kind" or key["description"]


def test_all_built_in_kinds_are_installed() -> None:
    """The entry points of the package name what the house promises."""
    assert {"openbao", "sts", "vault"} <= set(kinds.names("issuers"))
    assert {"approle", "jwt-file", "userpass"} <= set(kinds.names("identities"))
