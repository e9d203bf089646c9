"""Which distributions this Python has, without importing them."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def installed(name: str) -> str | None:
    """A distribution's version; None if it is not installed."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None
