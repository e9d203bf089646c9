"""A right manifest becomes checked values."""

from __future__ import annotations

import hashlib
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlsecrets.access import Access
from mlsecrets.errors import ManifestError, ManifestNotFound, UnknownScope
from mlsecrets.manifest import Kinds, Manifest, Section, load
from mlsecrets.scope import Scope

Write = Callable[..., Path]


@pytest.fixture
def manifest(write: Write, kinds: Kinds) -> Manifest:
    """The whole manifest, loaded."""
    return load(write(), kinds)


def test_the_whole_is_read(manifest: Manifest, write: Write) -> None:
    """Names, version, file and the digest of its very bytes."""
    path = write()
    assert (manifest.name, manifest.version, manifest.path) == ("digits", "1.0.0", path)
    assert manifest.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert list(manifest.issuers) == ["bao", "store"]
    assert list(manifest.identities) == ["job", "pod"]
    assert list(manifest.revokers) == ["store"]
    assert list(manifest.scopes) == ["train-data", "mlflow"]


def test_files_are_found_beside_the_manifest(
    manifest: Manifest, tmp_path: Path
) -> None:
    """Relative paths start at the manifest's folder, not at the working directory."""
    assert manifest.identities["job"] == Section(
        name="job",
        kind="approle",
        values={
            "role_id_file": tmp_path / "role-id",
            "secret_id_file": Path("/run/secrets/secret-id"),
        },
        where="mlsecrets.toml: [identities.job]",
    )


def test_a_relative_manifest_gives_absolute_files(
    write: Write, kinds: Kinds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later chdir changes nothing."""
    write()
    monkeypatch.chdir(tmp_path)
    manifest = load(Path("mlsecrets.toml"), kinds)
    assert manifest.path.is_absolute()
    assert manifest.identities["pod"].values["path"] == tmp_path / "token"


def test_issuers_get_their_values(manifest: Manifest) -> None:
    """URLs without a trailing slash, references as names, defaults filled in."""
    assert manifest.issuers["bao"].values == {
        "address": "http://127.0.0.1:8200",
        "identity": "job",
        "namespace": "root",
    }
    assert manifest.issuers["store"].values == {
        "address": "http://127.0.0.1:8333",
        "endpoint": "https://s3.example.org",
        "region": "us-east-1",
        "web_identity": "bao:identity/oidc/token/s3",
        "revoker": "store",
    }
    assert manifest.revokers["store"].values == {
        "address": "http://127.0.0.1:9000",
        "audience": "devstack",
    }


def test_every_type_of_key_is_converted(write: Write, kinds: Kinds) -> None:
    """Numbers, truth values and lists as well."""
    extra = 'identity = "job"\nretries = 3\npinned = true\nnodes = ["a", "b"]\n'
    values = load(write('identity = "job"\n', extra), kinds).issuers["bao"].values
    assert (values["retries"], values["pinned"]) == (3, True)
    assert values["nodes"] == ("a", "b")


def test_scopes_are_nouns(manifest: Manifest) -> None:
    """Durations in seconds, access parsed, the issuer's own keys apart."""
    assert manifest.scope("train-data") == Scope(
        name="train-data",
        owner="data-platform@example.org",
        version="1.0.0",
        issuer="store",
        ttl=10.0,
        max_ttl=5400.0,
        access=(Access("read", "s3://datasets/digits/*"),),
        options={"role": "arn:aws:iam::role/data-reader"},
    )
    assert manifest.scope("mlflow").options == {
        "path": "identity/oidc/token/mlflow",
        "credentials": "bearer",
        "fields": {"token": "jwt"},
    }


def test_an_unknown_scope_names_the_nearest(manifest: Manifest) -> None:
    """The message has the likely name, the remedy all of them."""
    with pytest.raises(UnknownScope) as caught:
        manifest.scope("train-dta")
    assert str(caught.value) == (
        "scope 'train-dta' is not in manifest digits 1.0.0; did you mean 'train-data'?"
    )
    assert caught.value.remedy
    assert "mlflow, train-data" in caught.value.remedy
    assert caught.value.__context__ is None


def test_a_bearer_may_have_no_destination(write: Write, kinds: Kinds) -> None:
    """An explicit empty list: no face of ours sends it anywhere."""
    path = write('access = ["use http://127.0.0.1:5000"]', "access = []")
    assert load(path, kinds).scope("mlflow").access == ()


def test_a_manifest_without_scopes_is_one(tmp_path: Path, kinds: Kinds) -> None:
    """What `mlsecrets init` begins with is valid."""
    path = tmp_path / "mlsecrets.toml"
    path.write_text('api = "mlsecrets/v1"\nname = "x"\nversion = "0.1.0"\n')
    assert load(path, kinds).scopes == {}


def test_a_manifest_travels_to_workers(manifest: Manifest) -> None:
    """It holds no secret, so it may pickle."""
    assert pickle.loads(pickle.dumps(manifest)) == manifest  # our own


def test_installed_kinds_are_the_default(tmp_path: Path) -> None:
    """Built-in issuers and identities load by entry point, as any other."""
    path = tmp_path / "mlsecrets.toml"
    path.write_text(
        'api = "mlsecrets/v1"\nname = "x"\nversion = "0.1.0"\n'
        '[identities.job]\nkind = "approle"\n'
        'role_id_file = "a"\nsecret_id_file = "b"\n'
        '[issuers.bao]\nkind = "vault"\n'
        'address = "https://vault.example.org"\nidentity = "job"\n'
    )
    assert load(path).issuers["bao"].kind == "vault"


def test_no_file_says_how_to_get_one(tmp_path: Path, kinds: Kinds) -> None:
    """A manifest that is not there is its own error."""
    with pytest.raises(ManifestNotFound, match="is not there") as caught:
        load(tmp_path / "mlsecrets.toml", kinds)
    assert caught.value.remedy
    assert "mlsecrets init" in caught.value.remedy


def test_a_folder_is_not_a_manifest(tmp_path: Path, kinds: Kinds) -> None:
    """What the operating system says is passed on."""
    with pytest.raises(ManifestError, match="cannot be read: is a directory"):
        load(tmp_path, kinds)


def test_a_file_in_another_encoding_names_the_line(
    tmp_path: Path, kinds: Kinds
) -> None:
    """Latin-1 from an old editor: which byte, which line."""
    path = tmp_path / "mlsecrets.toml"
    path.write_bytes(b'api = "mlsecrets/v1"\nname = "caf\xe9"\n')
    with pytest.raises(ManifestError, match="expected UTF-8, got byte 0xe9 on line 2"):
        load(path, kinds)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("api = \n", "not TOML: .*line 1"),
        ('name = "a"\nname = "b"\n', "not TOML: .*line 2"),
        ("[issuers.a]\n[issuers.a]\n", "not TOML: .*line 2"),
    ],
)
def test_what_is_not_toml_names_the_line(
    tmp_path: Path, kinds: Kinds, text: str, message: str
) -> None:
    """Syntax errors and things said twice, from the parser itself."""
    path = tmp_path / "mlsecrets.toml"
    path.write_text(text)
    with pytest.raises(ManifestError, match=message):
        load(path, kinds)


def test_kinds_are_found_whoever_lists_the_entry_points() -> None:
    """The importlib_metadata backport answers for the standard library."""
    pytest.importorskip("importlib_metadata")
    code = (
        "import importlib_metadata, mlsecrets.manifest as m;"
        "print(m.Kinds.issuer(m.kinds, 'openbao').__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "OpenBao"
