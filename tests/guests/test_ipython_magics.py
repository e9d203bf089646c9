"""`%lease`, `%%lease` and `%release`, in real kernels and in a terminal's IPython."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from _residue.forms import forms_of
from _residue.search import Search
from _residue.secrets import Secret

from mlsecrets.devstack import DevStack
from tests.guests.test_ipython import outputs, run

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:jupyter_client")

LOAD = "%load_ext mlsecrets_ipython\nimport os, time"
KEEPER = "os.environ['MLSECRETS_KEEPER']"
ASSIGN = "data = %lease train-data"
RESULT = "data"
USE = "[len(data.filesystem().ls('datasets/digits/tiny')), data.boto3_session()]"
SEVERAL = "both = %lease train-data checkpoints"
LIST = "%lease"
UNKNOWN = "%lease train-data nope"
WHOLE = "%%lease checkpoints --as creds\nvalue = creds.scope\nvalue.upper()"
WRITE = "creds.open, creds.report.ended[0].outcome.fate.value"
FAILING = "%%lease checkpoints --as token\ninside = token.open\n\n1 / 0"
SILENT = "%%lease checkpoints\n41 + 1;"
INTERRUPTED = "%%lease checkpoints --as token\nraise KeyboardInterrupt"
ENDED = "inside, token.open, token.report.ended[0].outcome.fate.value"
ENDED_TOO = ENDED + "  # again"
NAMELESS = "%%lease\n1"
MISNAMED = "%%lease checkpoints --as 1x\n1"
#: Every generation's secrets are written to a file, for the test alone.
ROTATE = """
import json
kept = []
while len(kept) < 2:
    grant = data.snapshot()
    if len(kept) < grant.terms.generation:
        fields = ("secret_access_key", "session_token")
        kept.append([grant.credentials.reveal(name) for name in fields])
    del grant
    time.sleep(0.05)
with open({path!r}, "w") as file:
    json.dump(kept, file)
del kept, fields
"""
ONE = "%release checkpoints"
NOT_HELD = "%release eval-data"
ALL = "%release"
NOTHING = "%lease "
PRINTED = "print(data, repr(data), f'{data}', [data], data.view, vars())"
#: The guard does not watch these: nothing there holds a secret in the first place.
UNLOAD = "%unload_ext mlsecrets_ipython\nOut, data"
GONE = "%lease train-data   # no more"


@pytest.fixture
def told(platform: DevStack, data: None, monkeypatch: pytest.MonkeyPatch) -> DevStack:
    """The stack, with objects in its store, for the notebooks of a test."""
    monkeypatch.setenv("MLSECRETS_CONFIG", str(platform.manifest_path))
    return platform


def test_magics_lease_list_and_release(
    told: DevStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What they give and show, and that no file of it holds a secret."""
    history, secrets = tmp_path / "ipython" / "history.sqlite", tmp_path / "secrets"
    history.parent.mkdir()
    rotate = ROTATE.format(path=str(secrets))
    cells = [LOAD, KEEPER, ASSIGN, RESULT, USE, WHOLE, WRITE, FAILING, ENDED, SILENT]
    cells += [INTERRUPTED, ENDED_TOO, UNKNOWN, SEVERAL, LIST, NAMELESS, MISNAMED]
    cells += [PRINTED, rotate, ONE, NOT_HELD, ALL, NOTHING, UNLOAD, GONE]
    notebook = run(cells, history, monkeypatch)

    def shown(source: str) -> str:
        return outputs(notebook, source)

    assert "'process'" in shown(KEEPER)
    # A badge each, updated to the end of its lease, whenever it was shown.
    for source, badges in ((ASSIGN, 1), (RESULT, 1), (SEVERAL, 2), (LIST, 2)):
        (cell,) = (cell for cell in notebook.cells if cell.source == source)
        texts = [output.data["text/plain"] for output in cell.outputs]
        assert len(texts) == badges, texts
        for text in texts:
            assert ": ended at " in text
            assert text.endswith(": revoked")
    assert "[8, " in shown(USE)
    # One that cannot be had: the message and the remedy, and not held in part.
    assert_brief(notebook, UNKNOWN, "UnknownScope: scope 'nope' is not in manifest")
    # A cell magic ends its lease with the cell, however that ends.
    assert "CHECKPOINTS" in shown(WHOLE)
    assert "(False, 'revoked')" in shown(WRITE)
    assert "ZeroDivisionError" in shown(FAILING)
    assert "\\u001b[32m3\\u001b[39m" in shown(FAILING)  # the line that failed
    assert "(True, False, 'revoked')" in shown(ENDED)
    assert "42" not in shown(SILENT).replace("generation", "")
    assert "KeyboardInterrupt" in shown(INTERRUPTED)
    assert "(True, False, 'revoked')" in shown(ENDED_TOO)
    assert "UsageError: %%lease SCOPE" in shown(NAMELESS)
    assert "UsageError: after --as" in shown(MISNAMED)
    assert "checkpoints: generation" in shown(ONE)
    assert_brief(notebook, NOT_HELD, "NotLeased: no lease of 'eval-data' is open here")
    assert re.search(r"train-data: generation \d+ revoked", shown(ALL))
    assert "checkpoints" not in shown(ALL)
    assert "no lease is open" in shown(NOTHING)
    assert "<Lease train-data>" in shown(UNLOAD)
    assert "`%lease` not found" in shown(GONE)

    generations = json.loads(secrets.read_text())
    assert len(generations) == 2
    written = nbformat.writes(notebook).encode()
    assert pieces(generations, written + history.read_bytes()) == []
    # The search is no empty one.
    token = generations[1][1].encode()
    assert pieces(generations, written + base64.b64encode(b"x" + token[:99])) != []


def assert_brief(notebook: nbformat.NotebookNode, source: str, message: str) -> None:
    """A cell has failed, and shown no more than what happened and what to do."""
    (cell,) = (cell for cell in notebook.cells if cell.source == source)
    (error,) = (out for out in cell.outputs if out.output_type == "error")
    first, remedy = error.traceback
    assert first.startswith(message)
    assert remedy.startswith("  what to do: ")


def pieces(generations: list[list[str]], content: bytes) -> list[Any]:
    """Every piece of twelve characters of any secret, in any form."""
    secrets = [
        Secret(kind, value.encode())
        for values in generations
        for kind, value in zip(("key", "token"), values, strict=True)
    ]
    found = Search(forms_of(secrets)).runs(np.frombuffer(content, dtype=np.uint8))
    return list(found)


TERMINAL = """
%load_ext mlsecrets_ipython
data = %lease train-data
data
%lease nope
%release
data
"""


def test_a_terminal_shows_a_line(told: DevStack, tmp_path: Path) -> None:
    """As it is at the moment, since nothing there can be updated."""
    ran = subprocess.run(
        [sys.executable, "-m", "IPython", "--simple-prompt", "--colors=nocolor"],
        input=TERMINAL,
        env={"IPYTHONDIR": str(tmp_path), "MLSECRETS_CONFIG": str(told.manifest_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    lines = [line for line in ran.stdout.splitlines() if "train-data" in line]
    assert ": open until" in lines[0], ran.stdout
    assert ": open until" in lines[1]
    assert "generation 1 revoked" in lines[-2]
    assert ": ended at" in lines[-1]
    assert "UnknownScope: scope 'nope'" in ran.stdout
    assert "Traceback" not in ran.stdout
