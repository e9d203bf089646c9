"""Collecting everything that is wrong with a manifest, to report it at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

from .._origin import shown
from ..errors import ManifestError

_LONGEST_SHOWN = 60


class ManifestProblems(ManifestError):
    """A manifest that cannot be used, with all that is wrong with it.

    Args:
        problems: one line each: file, table, key, expected, got.
    """

    def __init__(self, problems: Iterable[str], *, remedy: str | None = None) -> None:
        self.problems = tuple(problems)
        first, *others = self.problems
        more = f" (and {len(others)} more)" if others else ""
        super().__init__(first + more, remedy=remedy)

    def diagnostics(self) -> str:
        """The paragraph for the command line: every problem, then the remedy."""
        lines = [f"ManifestError: {self.problems[0]}"]
        lines += [f"  and: {problem}" for problem in self.problems[1:]]
        if self.remedy:
            lines.append(f"  what to do: {self.remedy}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (self.problems, self.remedy))


def _rebuild(problems: tuple[str, ...], remedy: str | None) -> ManifestProblems:
    return ManifestProblems(problems, remedy=remedy)


class Wrong(ValueError):
    """A value is not what its key asks for: what was expected and what came."""


class Problems:
    """The problems of one file, in the order found."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._found: list[str] = []

    def add(self, table: str, key: str, what: str) -> None:
        """Note one problem.

        Args:
            table: such as ``issuers.store``; empty for the top of the file.
            key: in that table; empty if the table itself is the problem.
            what: what was expected and what came.
        """
        where = f"[{table}]" if table else ""
        self._found.append(": ".join(filter(None, (str(self.path), where, key, what))))

    def raise_if_any(self) -> None:
        """Raise them all as one error."""
        if self._found:
            # A key that is misspelt is missing, too: what came explains what did not.
            self._found.sort(key=lambda problem: "unknown key" not in problem)
            raise ManifestProblems(
                self._found,
                remedy=f"correct {self.path}; an editor that knows the JSON Schema "
                "published with mlsecrets shows mistakes while typing",
            )


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` if something known is close, else nothing."""
    near = difflib.get_close_matches(given, list(known), 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def got(value: object) -> str:
    """A value of the file for a message: short, and no password of a URL in it."""
    if isinstance(value, str):
        text = repr(shown(value))
    elif isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, (int, float)):
        text = f"the number {value}"
    elif isinstance(value, list):
        return "a list"
    elif isinstance(value, dict):
        return "a table"
    else:
        text = str(value)  # a TOML date or time
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "..."
