"""Every notebook runs from top to bottom, and its outputs hold no secret."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from mlsecrets.devstack import DevStack

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
@pytest.mark.filterwarnings("ignore::DeprecationWarning:jupyter_client")
def test_a_notebook_runs(
    path: Path,
    stack: DevStack,
    digits: dict[str, list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As its reader would run it, inside the stack."""
    monkeypatch.setenv("MLSECRETS_CONFIG", str(stack.manifest_path))
    notebook = nbformat.read(path, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "commit it cleared"
    NotebookClient(notebook, timeout=60).execute()
    outputs = "".join(str(cell.get("outputs", "")) for cell in notebook.cells)
    assert "revoked" in outputs
    for name in ("role-id", "secret-id"):
        assert (stack.folder / name).read_text() not in outputs
    assert "SecretAccessKey" not in outputs
