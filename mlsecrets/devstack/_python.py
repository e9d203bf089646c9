"""Running our own modules as programs, from wherever this package was imported."""

from __future__ import annotations

import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]


def python_environment() -> dict[str, str]:
    """What an engine written in Python needs to find and run our modules."""
    return {"PYTHONPATH": str(_ROOT), "PYTHONUNBUFFERED": "1"}


def python_module(name: str) -> list[str]:
    """The command that runs a module with this interpreter."""
    return [sys.executable, "-m", name]
