"""Everything wrong in a manifest is an error that says where, what and what instead.

The published schema marks the same mistakes in an editor, except those that only a
look at another table reveals.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import pytest

from mlsecrets.errors import ManifestError
from mlsecrets.keys import Key
from mlsecrets.manifest import Kinds, ManifestProblems, load
from mlsecrets.manifest.schema import json_schema

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Write = Callable[..., Path]


class Case(NamedTuple):
    """A piece of the whole manifest, what stands there instead, and the complaint."""

    old: str
    new: str
    message: str
    schema_sees_it: bool = True


CASES = [
    # the top of the file
    Case(
        'api = "mlsecrets/v1"',
        'api = "mlsecrets/v2"',
        "api: expected 'mlsecrets/v1', got 'mlsecrets/v2'; "
        "did you mean 'mlsecrets/v1'?",
    ),
    Case(
        'api = "mlsecrets/v1"\n',
        "",
        "api: expected a string that is not empty (the format of this file), "
        "got nothing",
    ),
    Case(
        'name = "digits"',
        'name = "Digits"',
        "name: expected a string that is not empty (a name of lower-case letters, "
        "digits and dashes), got 'Digits'",
    ),
    Case(
        'version = "1.0.0"\n\n[identities',
        'version = "1.0"\n\n[identities',
        "version: expected a string that is not empty (a semantic version such as "
        "1.0.0), got '1.0'",
    ),
    Case(
        'version = "1.0.0"\n\n[identities',
        "version = 1.0\n\n[identities",
        "got the number 1.0",
    ),
    Case(
        'name = "digits"',
        'name = "digits"\nverison = "1"',
        "verison: unknown key; expected one of api, identities, issuers, name, "
        "revokers, scopes, version; did you mean 'version'?",
    ),
    Case(
        "[identities.job]",
        "[identity.job]",
        "identity: unknown key; expected one of api, identities, issuers, name, "
        "revokers, scopes, version; did you mean 'identities'?",
    ),
    Case(
        "[revokers.store]",
        "[revokers]\nother = 1\n[revokers.store]",
        "[revokers]: other: expected a table [revokers.other], got the number 1",
    ),
    Case(
        "[scopes.mlflow]",
        "[scopes.ML_flow]",
        "[scopes]: expected a name of lower-case letters, digits and dashes, "
        "got 'ML_flow'",
    ),
    # kinds
    Case(
        'kind = "sts"',
        'kind = "st"',
        "[issuers.store]: kind: expected 'openbao' or 'sts' or 'vault', got 'st'; "
        "did you mean 'sts'?",
    ),
    Case(
        'kind = "approle"\n',
        "",
        "[identities.job]: kind: expected 'approle' or 'jwt', got nothing",
    ),
    Case('kind = "sts"', "kind = 1", "'vault', got the number 1"),
    # the keys of a kind
    Case(
        'role_id_file = "role-id"',
        'role_id = "role-id"',
        "[identities.job]: role_id: unknown key; expected one of kind, mount, "
        "role_id_file, secret_id_file; did you mean 'role_id_file'?",
    ),
    Case(
        'role_id_file = "role-id"\n',
        "",
        "[identities.job]: role_id_file: expected a path, absolute or relative to the "
        "manifest's folder, got nothing",
    ),
    Case('"role-id"', '""', "manifest's folder, got ''"),
    Case('"role-id"', '"~/role-id"', "manifest's folder, got '~/role-id'"),
    Case('"role-id"', "7", "manifest's folder, got the number 7"),
    Case(
        "[revokers.store]",
        "[revokers.store]\nkind = 'x'",
        "[revokers.store]: kind: unknown key; expected one of address, audience, "
        "ca_file",
    ),
    Case('audience = "devstack"\n', "", "audience: expected a string"),
    Case('region = "us-east-1"', "region = '  '", "region: expected a string that is"),
    Case(
        'identity = "job"\n',
        'identity = "job"\nretries = 1.5',
        "retries: expected a whole number, got the number 1.5",
    ),
    Case(
        'identity = "job"\n',
        'identity = "job"\nretries = true',
        "retries: expected a whole number, got true",
    ),
    Case(
        'identity = "job"\n',
        'identity = "job"\npinned = "yes"',
        "pinned: expected true or false, got 'yes'",
    ),
    Case(
        'identity = "job"\n',
        'identity = "job"\nnodes = "a"',
        "nodes: expected a list of strings, got 'a'",
    ),
    Case('identity = "job"\n', 'identity = "job"\nnodes = ["a", "B"]', "got 'B'"),
    Case('identity = "job"\n', 'identity = "job"\nnodes = ["a", 1]', "the number 1"),
    # URLs
    Case(
        'address = "http://127.0.0.1:8200/"',
        'address = "http://bao.example.org:8200"',
        "address: expected https://, got 'http://bao.example.org:8200': http:// would "
        "show secrets to the network, and is for loopback only",
    ),
    Case(
        'address = "http://127.0.0.1:8200/"',
        'address = "bao.example.org"',
        "address: expected a URL such as https://host:port (where the server answers), "
        "got 'bao.example.org': expected http:// or https://",
    ),
    Case(
        '"http://127.0.0.1:8200/"',
        '"https://user:s3cret@bao.example.org"',
        "got 'https://***@bao.example.org': a user name or password does not belong",
    ),
    Case('"http://127.0.0.1:8200/"', '"https://b.example?x=1"', "ends before any ?"),
    # references
    Case(
        'identity = "job"',
        'identity = "jobs"',
        "[issuers.bao]: identity: expected the name of an [identities.<name>] table, "
        "got 'jobs'; did you mean 'job'?",
        schema_sees_it=False,
    ),
    Case(
        'revoker = "store"',
        'revoker = "stor"',
        "revoker: expected the name of a [revokers.<name>] table, got 'stor'; did "
        "you mean 'store'?",
        schema_sees_it=False,
    ),
    Case(
        'issuer = "store"',
        'issuer = "stroe"',
        "[scopes.train-data]: issuer: expected the name of an [issuers.<name>] table "
        "(which issuer mints it), got 'stroe'; did you mean 'store'?",
        schema_sees_it=False,
    ),
    Case(
        "bao:identity/oidc/token/s3",
        "boa:identity/oidc/token/s3",
        "web_identity: expected the name of an [issuers.<name>] table, got 'boa'; did "
        "you mean 'bao'?",
        schema_sees_it=False,
    ),
    Case(
        "bao:identity/oidc/token/s3",
        "store:identity/oidc/token/s3",
        "web_identity: expected an issuer that gives tokens, got 'store'",
        schema_sees_it=False,
    ),
    Case(
        "bao:identity/oidc/token/s3",
        "identity/oidc/token/s3",
        "web_identity: expected an issuer and a path there, such as "
        "\"bao:identity/oidc/token/s3\", got 'identity/oidc/token/s3'",
    ),
    Case("bao:identity/oidc/token/s3", "bao:", "expected an issuer and a path there"),
    Case("bao:identity/oidc/token/s3", "bao:/x", "expected an issuer and a path there"),
    # scopes
    Case(
        'owner = "data-platform@example.org"', "owner = ''", "owner: expected a strin"
    ),
    Case(
        'owner = "data-platform@example.org"\n',
        "",
        "[scopes.train-data]: owner: expected a string that is not empty (whom to ask "
        "about this right), got nothing",
    ),
    Case(
        'role = "arn:aws:iam::role/data-reader"',
        'rol = "arn:aws:iam::role/data-reader"',
        "[scopes.train-data]: rol: unknown key; expected one of access, issuer, "
        "max_ttl, owner, role, ttl, version, workers; did you mean 'role'?",
    ),
    Case(
        'path = "identity/oidc/token/mlflow"',
        'role = "x"',
        "[scopes.mlflow]: role: unknown key; expected one of access, credentials, "
        "fields, issuer, max_ttl, owner, path, ttl, version",
    ),
    Case('path = "identity', 'path = "/identity', "path: expected a string that is no"),
    Case(
        'credentials = "bearer"',
        'credentials = "bearers"',
        "credentials: expected 'bearer' or 'username-password' or 'aws', "
        "got 'bearers'; did you mean 'bearer'?",
    ),
    Case(
        '{ token = "jwt" }', '"jwt"', "fields: expected a table of strings, got 'jwt'"
    ),
    Case('{ token = "jwt" }', "{ token = 1 }", "got the number 1"),
    # durations
    Case(
        'ttl = "10s"\nmax_ttl = "1h30m"',
        'ttl = 10\nmax_ttl = "1h30m"',
        "[scopes.train-data]: ttl: expected a duration with its unit, got the bare "
        'number 10; write "10s" for seconds',
    ),
    Case('"1h30m"', '"1h30"', 'max_ttl: expected a duration such as "10s", "5m" or'),
    Case('"1h30m"', '"30m1h"', "or \"1h30m\", got '30m1h'"),
    Case('"1h30m"', '"1.5h"', "got '1.5h'"),
    Case('"1h30m"', '" 1h"', "got ' 1h'"),
    Case('"1h30m"', '""', "got ''"),
    Case('"1h30m"', "true", "got true"),
    Case('"1h30m"', "1979-05-27", "got 1979-05-27"),
    Case(
        'ttl = "10s"',
        'ttl = "0s"',
        "ttl: expected a duration of more than 0s and at most 30d, got '0s'",
        schema_sees_it=False,
    ),
    Case('"1h30m"', '"721h"', "at most 30d, got '721h'", schema_sees_it=False),
    Case(
        'ttl = "10s"',
        'ttl = "2h"',
        "[scopes.train-data]: ttl: expected at most max_ttl, 1h30m, got 2h",
        schema_sees_it=False,
    ),
    # access
    Case(
        '["read s3://datasets/digits/*"]',
        '"read s3://datasets/digits/*"',
        "access: expected a list of strings",
    ),
    Case(
        '["read s3://datasets/digits/*"]',
        "[]",
        "[scopes.train-data]: access: expected at least one right, got none: that "
        "would be the whole role",
        # The schema sees by its role that this scope is an STS's.
    ),
    Case(
        '["read s3://datasets/digits/*"]',
        '["read s3://datasets/digits/*", "reed s3://datasets/other/*"]',
        "[scopes.train-data]: access[1]: expected 'read s3://...', "
        "'write s3://...' or 'use https://...', got 'reed s3://datasets/other/*'; "
        "did you mean 'read'?",
    ),
    Case("s3://datasets/digits/*", "gs://datasets/digits/*", "s3://bucket/pattern"),
    Case(
        '["read s3://datasets/digits/*"]',
        '["use https://mlflow.example.org"]',
        "access[0]: expected read or write from this kind of issuer, got "
        "'use https://mlflow.example.org'",
    ),
    Case(
        '["use http://127.0.0.1:5000"]',
        '["use http://mlflow.example.org"]',
        "access[0]: 'http://mlflow.example.org' would send the bearer in clear text",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.new[:40])
def test_each_mistake_is_named(write: Write, kinds: Kinds, case: Case) -> None:
    """File, table, key, expected, got and the nearest spelling, in one line."""
    path = write(case.old, case.new)
    with pytest.raises(ManifestProblems) as caught:
        load(path, kinds)
    text = "\n".join(caught.value.problems)
    assert case.message in text
    assert all(line.startswith(f"{path}: ") for line in caught.value.problems)
    assert "\n" not in str(caught.value)
    assert "s3cret" not in text


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.new[:40])
def test_editors_mark_what_a_schema_can_express(
    write: Write, kinds: Kinds, case: Case
) -> None:
    """The same mistakes, seen by the JSON Schema; the rest only `load` can see."""
    document = tomllib.loads(write(case.old, case.new).read_text("utf-8"))
    assert is_valid(document, kinds) is not case.schema_sees_it


def test_what_is_right_is_right_for_editors_too(write: Write, kinds: Kinds) -> None:
    """The whole manifest is valid by the schema."""
    assert is_valid(tomllib.loads(write().read_text("utf-8")), kinds)


def is_valid(document: dict[str, Any], kinds: Kinds) -> bool:
    """Whether the schema finds nothing wrong."""
    schema = json_schema(kinds)
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    return bool(validator.is_valid(document))


def test_all_problems_are_reported_at_once(write: Write, kinds: Kinds) -> None:
    """One run of `mlsecrets doctor` is enough to correct a file."""
    path = write('name = "digits"', 'name = "D"\nx = 1')
    path.write_text(path.read_text("utf-8").replace('kind = "sts"', 'kind = "st"'))
    with pytest.raises(ManifestError) as caught:
        load(path, kinds)
    error = caught.value
    assert isinstance(error, ManifestProblems)
    assert len(error.problems) == 3
    assert str(error) == f"{error.problems[0]} (and 2 more)"
    for problem in error.problems:
        assert problem in error.diagnostics()
    assert "what to do: correct" in error.diagnostics()


def test_a_group_that_is_no_table_is_named(tmp_path: Path, kinds: Kinds) -> None:
    """A value where tables should be."""
    path = tmp_path / "mlsecrets.toml"
    path.write_text('api = "mlsecrets/v1"\nname = "x"\nversion = "1.0.0"\nissuers = 1')
    with pytest.raises(ManifestProblems) as caught:
        load(path, kinds)
    expected = "expected tables such as [issuers.name], got the number 1"
    assert caught.value.problems == (f"{path}: issuers: {expected}",)


def test_a_wrong_kind_is_one_problem(write: Write, kinds: Kinds) -> None:
    """What depends on it is not complained about as well."""
    with pytest.raises(ManifestProblems) as caught:
        load(write('kind = "openbao"', 'kind = "openboa"'), kinds)
    assert len(caught.value.problems) == 1


def test_problems_survive_a_process_boundary(write: Write, kinds: Kinds) -> None:
    """A worker's error is as long as its cause."""
    with pytest.raises(ManifestProblems) as caught:
        load(write('name = "digits"', 'name = "D"\nx = 1'), kinds)
    copy = pickle.loads(pickle.dumps(caught.value))  # our own
    assert (copy.problems, copy.remedy) == (caught.value.problems, caught.value.remedy)


def test_a_broken_package_is_named(write: Write) -> None:
    """A kind whose import fails is the manifest's problem, with the reason."""

    class Broken(Kinds):
        def get(self, group: object, kind: str) -> Any:
            raise ModuleNotFoundError("No module named 'hvac'")

    kinds = Broken({"openbao": None, "sts": None}, {"approle": None, "jwt": None})
    with pytest.raises(ManifestProblems) as caught:
        load(write(), kinds)
    assert (
        "[issuers.bao]: kind: 'openbao' cannot be loaded: "
        "ModuleNotFoundError: No module named 'hvac'"
    ) in "\n".join(caught.value.problems)


def test_a_class_that_is_no_kind_is_named(write: Write) -> None:
    """An entry point to something else is found when it is used."""
    kinds = Kinds({"openbao": int, "sts": int}, {"approle": int, "jwt": int})
    with pytest.raises(ManifestProblems, match="cannot be loaded: AttributeError"):
        load(write(), kinds)


def test_a_key_without_description_still_says_what_it_wants(write: Write) -> None:
    """Kinds by others may say little about their keys."""

    class Terse:
        KEYS = {"path": Key("file", required=True)}  # noqa: RUF012
        SCOPE_KEYS: dict[str, Key] = {}  # noqa: RUF012

    kinds = Kinds({"openbao": Terse, "sts": Terse}, {"approle": Terse, "jwt": Terse})
    with pytest.raises(ManifestProblems) as caught:
        load(write(), kinds)
    assert "path: expected a path, absolute or relative" in caught.value.diagnostics()
