"""Texts that hold a live secret, replaced by a line that says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlsecrets.leaks import find_secrets


def withhold(content: Any) -> Any:
    """JSON-like content, in which each text that holds a live secret is replaced.

    Returns:
        the content itself if it holds none.
    """
    return _replaced(content) if find_secrets(content) else content


def _replaced(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {_replaced(key): _replaced(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_replaced(value) for value in content]
    if not isinstance(content, str) or not find_secrets(content):
        return content
    lines = "".join(map(_line, content.splitlines(keepends=True)))
    # One may go over several lines.
    return _instead(content) if find_secrets(lines) else lines


def _line(line: str) -> str:
    if not find_secrets(line):
        return line
    return _instead(line) + ("\n" if line.endswith("\n") else "")


def _instead(text: str) -> str:
    named = sorted({str(finding) for finding in find_secrets(text)})
    return f"[withheld: it holds the {', the '.join(named)}]"
