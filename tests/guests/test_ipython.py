"""A notebook's outputs hold no live secret, whatever prints it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from mlsecrets.devstack import DevStack

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:jupyter_client")

LEASE = """
import sys, threading
from mlsecrets import hold
lease = hold("mlflow")
grant = lease.snapshot()  # kept, so that this generation stays live
token = grant.credentials.reveal("token")
"""

#: Each of these shows the token if nothing prevents it.
SHOWING = {
    "a result": "token",
    "a result inside": "{'headers': ['Bearer ' + token]}",
    "print": "print('before'); print('it is', token); print('after')",
    "stderr": "print(token, file=sys.stderr)",
    "display": "display(token)",
    "html": "display({'text/html': f'<b>{token}</b>'}, raw=True)",
    "json": "display({'application/json': {'a': [token]}}, raw=True)",
    "update": "h = display('x', display_id='x'); h.update(token)",
    "an error": "raise ValueError(f'refused: {token}')",
    "a thread": (
        "thread = threading.Thread(target=print, args=(token,));"
        "thread.start(); thread.join()"
    ),
    "base64": "import base64; base64.b64encode(token.encode())",
    "out": "Out",
    "underscores": "print(_, __, ___)",
}
#: A cell whose own text holds it, as by pasting; the text itself is the reader's.
PASTED = "get_ipython().run_cell('x = ' + repr(token), store_history=True)"
FLUSH = "get_ipython().history_manager.writeout_cache()"
RELEASE = "from mlsecrets import release; release('mlflow'); print('ended')"


def run(
    cells: list[str], history: Path, monkeypatch: pytest.MonkeyPatch
) -> nbformat.NotebookNode:
    """The notebook, as a front end saves it, with a history that keeps outputs."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells]
    )
    monkeypatch.setenv("IPYTHONDIR", str(history.parent))
    NotebookClient(
        notebook,
        timeout=60,
        allow_errors=True,
        ipython_hist_file=str(history),
        extra_arguments=["--HistoryManager.db_log_output=True"],
    ).execute()
    return notebook


def spellings(noted: Path) -> tuple[str, str]:
    """The token that the notebook's process noted for us, plain and as base64."""
    token = noted.read_bytes()
    return token.decode(), base64.b64encode(token).decode()


@pytest.fixture
def cells(platform: DevStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes the cells; the token is also written to a file, for the test."""
    monkeypatch.setenv("MLSECRETS_CONFIG", str(platform.manifest_path))
    note = f"open({str(tmp_path / 'token')!r}, 'w').write(token);"
    return lambda *first: [*first, LEASE + note, *SHOWING.values(), PASTED, FLUSH]


def outputs(notebook: nbformat.NotebookNode, source: str) -> str:
    """What one cell has shown."""
    (cell,) = (cell for cell in notebook.cells if cell.source == source)
    return json.dumps(cell.outputs)


def test_no_output_holds_a_live_secret(
    cells: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the saved notebook nor the history; each place says what it was."""
    history = tmp_path / "ipython" / "history.sqlite"
    history.parent.mkdir()
    notebook = run(
        [*cells("%load_ext mlsecrets_ipython"), RELEASE], history, monkeypatch
    )
    written = nbformat.writes(notebook).encode() + history.read_bytes()
    for spelling in spellings(tmp_path / "token"):
        assert spelling.encode() not in written
    for name, source in SHOWING.items():
        shown = outputs(notebook, source)
        assert "withheld: it holds the token of lease mlflow" in shown, name
    # The rest of what a cell shows stays.
    assert "before" in outputs(notebook, SHOWING["print"])
    assert "after" in outputs(notebook, SHOWING["print"])
    assert "ValueError" in outputs(notebook, SHOWING["an error"])
    assert "ended" in outputs(notebook, RELEASE)


def test_without_it_they_do(
    cells: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loaded and unloaded, a shell is as it was: the search above is no empty one."""
    history = tmp_path / "ipython" / "history.sqlite"
    history.parent.mkdir()
    loaded = "%load_ext mlsecrets_ipython"
    unloaded = "%unload_ext mlsecrets_ipython"
    notebook = run([*cells(loaded, unloaded), RELEASE], history, monkeypatch)
    token, encoded = spellings(tmp_path / "token")
    for name, source in SHOWING.items():
        spelling = encoded if name == "base64" else token
        assert spelling in outputs(notebook, source), name
    assert token.encode() in history.read_bytes()
    assert "withheld" not in nbformat.writes(notebook)
