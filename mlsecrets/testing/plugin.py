"""Fixtures that start the real embedded stack, for tests of programs that lease.

In your ``conftest.py``::

    pytest_plugins = ["mlsecrets.testing.plugin"]

    @pytest.fixture(scope="session")
    def mlsecrets_stack_options():
        return {"ttl": 10, "mlflow": True}

Needs the extra ``dev``. It is not registered as a pytest plugin by itself, so that
installing mlsecrets changes nobody's test run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from .. import _current
from .._current import configure
from ..devstack import DevStack


@pytest.fixture(scope="session")
def mlsecrets_stack_options() -> Mapping[str, Any]:
    """Arguments for `mlsecrets.devstack.DevStack`; override it in your conftest."""
    return {}


@pytest.fixture(scope="session")
def mlsecrets_stack(mlsecrets_stack_options: Mapping[str, Any]) -> Iterator[DevStack]:
    """The embedded stack, one for the whole run."""
    with DevStack(**mlsecrets_stack_options) as stack:
        yield stack


@pytest.fixture
def mlsecrets_configured(mlsecrets_stack: DevStack) -> Iterator[DevStack]:
    """The stack, with this process configured to lease from it during one test."""
    configure(mlsecrets_stack.manifest_path)
    yield mlsecrets_stack
    session = _current.current()
    if session is not None:
        session.close()
    configure()
