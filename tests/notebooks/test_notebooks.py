"""Every notebook runs from top to bottom, says what it is meant to, and no secret."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import nbformat
import pytest

from mlsecrets.devstack import DevStack
from tests.notebooks.conftest import FOLDER

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:jupyter_client"),
]

#: What each has to show, as patterns, besides getting to its end.
SHOWN = {
    "outage": ["LeaseDoomed", "paused for", "<svg", "revoked"],
    "quickstart": ["NotLeased", "revoked", "0 left"],
    "serving": ["{200: [0-9]+}", "'ready': True", "<svg"],
    "sharing": ["is not shared with workers", "12 shards read by tasks", "revoked"],
    "training": ["reads on ([3-9]|1[0-9]) credentials, 0 failed", "<svg", "revoked"],
}
#: What tokens and keys look like: a JWT, a token of OpenBao, or just long and random.
SECRET = re.compile(
    r"eyJ[\w-]{10,}|\bhvs\.\w|(?=[\w+/=-]*[A-Z])(?=[\w+/=-]*\d)[\w+/=-]{40,}", re.ASCII
)

Executed = Callable[[str], nbformat.NotebookNode]


def test_every_notebook_is_expected_to_show_something() -> None:
    """A new one has a line in the table above."""
    assert sorted(SHOWN) == sorted(path.stem for path in FOLDER.glob("*.ipynb"))


@pytest.mark.parametrize("name", sorted(SHOWN))
def test_a_notebook_runs(
    name: str, executed: Executed, mlsecrets_stack: DevStack
) -> None:
    """As its reader would run it."""
    notebook = executed(name)
    outputs = json.dumps([cell.get("outputs", []) for cell in notebook.cells])
    for words in SHOWN[name]:
        assert re.search(words, outputs)
    assert SECRET.findall(outputs) == []
    for file in ("role-id", "secret-id"):
        assert (mlsecrets_stack.folder / file).read_text() not in outputs


def test_the_pattern_knows_what_it_looks_for(mlsecrets_stack: DevStack) -> None:
    """A token and a key of the real stack."""
    admin = mlsecrets_stack.store.admin_key()
    assert SECRET.search("hvs.CAESIJ")
    assert SECRET.search("eyJhbGciOiJSUzI1NiJ9.e30")
    assert SECRET.search(admin.secret_key)
