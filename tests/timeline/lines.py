"""Lines of journals, as jobs write them."""

from __future__ import annotations

from typing import Any

from mlsecrets.timeline._journal import TERMS


def event(name: str, at: float, scope: str = "data", pid: int = 1, **detail: Any):
    """One; a generation lives ten seconds, unless it says until when."""
    if name in TERMS:
        detail = {"generation": 1, "expires_at": at + 10.0, **detail}
    return {"event": name, "scope": scope, "at": at, "pid": pid, **detail}
