"""What a real run of the demo wrote (TTL 6 s, 9 s of training), to read again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

RECORDED = Path(__file__).parent / "recorded"


@pytest.fixture
def lines() -> list[dict[str, Any]]:
    """The journal."""
    text = (RECORDED / "journal.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def audit_text() -> str:
    """Some of OpenBao's audit log."""
    return (RECORDED / "audit.jsonl").read_text()


@pytest.fixture
def figures() -> dict[str, Any]:
    """The report."""
    found: dict[str, Any] = json.loads((RECORDED / "report.json").read_text())
    return found
