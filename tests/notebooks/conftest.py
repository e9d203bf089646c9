"""All notebooks, executed once and side by side: they spend their time waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from mlsecrets.devstack import DevStack

FOLDER = Path(__file__).parents[2] / "notebooks"
#: At the same time: two processors have room for these.
AT_ONCE = 3


async def execute(
    path: Path, folder: Path, turn: asyncio.Semaphore
) -> nbformat.NotebookNode:
    """Run a notebook as its reader would, from top to bottom."""
    notebook = nbformat.read(path, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "commit it cleared"
    client = NotebookClient(
        notebook, timeout=180, resources={"metadata": {"path": str(folder)}}
    )
    async with turn:
        await client.async_execute()
    return notebook


@pytest.fixture(scope="session")
def executed(
    mlsecrets_stack: DevStack, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], nbformat.NotebookNode]:
    """Gives a notebook by its name, with its outputs, or raises what it raised."""
    # The one that waits longest goes first.
    paths = sorted(FOLDER.glob("*.ipynb"), key=lambda path: path.name != "outage.ipynb")

    async def execute_all() -> list[nbformat.NotebookNode | BaseException]:
        turn = asyncio.Semaphore(AT_ONCE)
        runs = (
            execute(path, tmp_path_factory.mktemp(path.stem), turn) for path in paths
        )
        return await asyncio.gather(*runs, return_exceptions=True)

    mlsecrets_stack.seed_digits()
    with pytest.MonkeyPatch.context() as setting:
        # For the one that is read inside `mlsecrets dev`; the others bring a stack.
        setting.setenv("MLSECRETS_CONFIG", str(mlsecrets_stack.manifest_path))
        setting.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        ended = dict(zip(paths, asyncio.run(execute_all()), strict=True))
    notebooks = {path.stem: notebook for path, notebook in ended.items()}

    def of(name: str) -> nbformat.NotebookNode:
        notebook = notebooks[name]
        if isinstance(notebook, BaseException):
            raise notebook
        return notebook

    return of
