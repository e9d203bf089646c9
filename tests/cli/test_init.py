"""A manifest to start from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from mlsecrets.manifest import load

Run = Callable[..., Result]


def test_what_it_writes_loads_and_explains_itself(run: Run, tmp_path: Path) -> None:
    """A newcomer's first manifest is right from the start."""
    shown = run("init")
    assert shown.exit_code == 0
    assert f"wrote {tmp_path}/mlsecrets.toml" in shown.stdout
    manifest = load(tmp_path / "mlsecrets.toml")
    assert set(manifest.scopes) == {"train-data", "checkpoints", "mlflow"}
    text = manifest.path.read_text()
    assert text.count("#") > 15
    assert max(map(len, text.splitlines())) <= 88


def test_what_it_offers_in_comments_loads_too(run: Run, tmp_path: Path) -> None:
    """Whoever removes a comment sign gets a manifest that still loads."""
    run("init")
    path = tmp_path / "mlsecrets.toml"
    text = path.read_text()
    approle = text[text.index("[identities.job]") : text.index("# Instead")]
    text = text.replace(approle, "")
    for key in ("[", "kind", "path", "role", "namespace", "ca_file", "revoker"):
        text = text.replace(f"\n# {key}", f"\n{key}")
    for key in ("address", "audience"):
        text = text.replace(f"\n# {key}", f"\n{key}")
    path.write_text(text)
    manifest = load(path)
    assert manifest.identities["job"].kind == "jwt-file"
    assert set(manifest.revokers) == {"store"}
    assert "ca_file" in manifest.issuers["bao"].values


def test_the_address_goes_in(run: Run, tmp_path: Path) -> None:
    """`--openbao` saves the first edit."""
    assert run("init", "--openbao", "http://127.0.0.1:8200/").exit_code == 0
    manifest = load(tmp_path / "mlsecrets.toml")
    assert manifest.issuers["bao"].values["address"] == "http://127.0.0.1:8200"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://bao.example.org", "for loopback only"),
        ("bao.example.org:8200", "expected http"),
        ('https://x"\n[issuers.evil]', "do not belong in a URL"),
        ("", "got ''"),
    ],
)
def test_an_address_that_would_not_load_is_refused(
    run: Run, tmp_path: Path, address: str, said: str
) -> None:
    """The option is named, not a line of a file that was never written."""
    shown = run("init", "--openbao", address)
    assert shown.exit_code == 2
    assert "'--openbao'" in shown.stderr
    assert said in " ".join(shown.stderr.split())
    assert not (tmp_path / "mlsecrets.toml").exists()


def test_it_never_overwrites_unasked(run: Run, tmp_path: Path) -> None:
    """What is there stays; `--force` replaces it."""
    path = tmp_path / "mlsecrets.toml"
    path.write_text("mine")
    shown = run("init")
    assert shown.exit_code == 1
    assert "stays as it is" in shown.stderr
    assert "--force" in shown.stderr
    assert path.read_text() == "mine"
    assert run("init", "--force").exit_code == 0
    load(path)


def test_a_folder_that_takes_no_file_is_an_error(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said in our words, with the path."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    (gone / "mlsecrets.toml").mkdir()
    shown = run("init", "--force")
    assert shown.exit_code == 1
    assert "cannot be written: is a directory" in shown.stderr
