"""Tests against the real OpenBao and the real store."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from botocore.loaders import JSONFileLoader

from mlsecrets.devstack import DevStack

Edit = Callable[..., Path]


@pytest.fixture(scope="session", autouse=True)
def services_are_described_once() -> Iterator[None]:
    """Each session of botocore's reads the same megabytes of JSON for its clients."""
    once = cache(JSONFileLoader().load_file)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(JSONFileLoader, "load_file", lambda _, path: once(path))
        yield


@pytest.fixture
def stack(mlsecrets_configured: DevStack) -> DevStack:
    """The embedded stack; this process leases from it."""
    return mlsecrets_configured


@pytest.fixture(scope="session")
def digits(mlsecrets_stack: DevStack) -> dict[str, list[str]]:
    """The handwritten digits are in the store; their keys by split."""
    return mlsecrets_stack.seed_digits()


@pytest.fixture
def edited(stack: DevStack, tmp_path: Path) -> Edit:
    """Makes a copy of the stack's manifest with some text replaced."""

    def edit(*changes: tuple[str, str]) -> Path:
        text = stack.manifest_path.read_text()
        # Relative paths in it mean files beside the original.
        text = re.sub(r'(_file = )"([^"/]+)"', rf'\1"{stack.folder}/\2"', text)
        for old, new in changes:
            assert old in text, f"{old!r} is not in the manifest"
            text = text.replace(old, new)
        path = tmp_path / "mlsecrets.toml"
        path.write_text(text)
        return path

    return edit
