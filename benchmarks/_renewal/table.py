"""What was found, as a table for a terminal or for Markdown."""

from __future__ import annotations

import math
import platform
from collections.abc import Collection
from dataclasses import replace
from importlib.metadata import version

from .clients import CLIENTS
from .plan import COLUMNS, EXPERIMENTS, Experiment
from .run import Results
from .trial import Found

#: What is left out of a row in which it is 0 for everybody.
RARE = frozenset({"dead", "paused", "raised"})


def markdown(results: Results, columns: Collection[str]) -> str:
    """Rows are experiments, columns are clients."""
    shown = [column for column in COLUMNS if column in columns]
    lines = [
        "| | " + " | ".join(map(_headed, shown)) + " |",
        "|---|" + "---|" * len(shown),
    ]
    for experiment in _of(results):
        label = f"{experiment.title}: {' / '.join(experiment.parts.values())}"
        cells = [_cell(results, experiment, column) for column in shown]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def plain(results: Results, columns: Collection[str]) -> str:
    """The same for a terminal: a block for each experiment, a line for each client."""
    shown = [column for column in COLUMNS if column in columns]
    width = max(map(len, shown))
    lines = []
    for experiment in _of(results):
        lines += ["", f"{experiment.title}:"]
        lines.append(f"  {'':<{width}}  {' / '.join(experiment.parts.values())}")
        for column in shown:
            if column in experiment.columns:
                cell = _cell(results, experiment, column)
                lines.append(f"  {column:<{width}}  {cell}")
    return "\n".join(lines)


def versions(columns: Collection[str]) -> str:
    """What was run."""
    names = dict.fromkeys(CLIENTS[column][0] for column in COLUMNS if column in columns)
    listed = ", ".join(f"{name} {version(name)}" for name in names)
    return f"{listed}; Python {platform.python_version()}, {platform.system()}"


def _of(results: Results) -> list[Experiment]:
    run = {name for name, _ in results}
    return [
        replace(experiment, parts=_telling(results, experiment))
        for experiment in EXPERIMENTS
        if experiment.name in run
    ]


def _telling(results: Results, experiment: Experiment) -> dict[str, str]:
    """Its parts without those that nothing came of, for any client."""
    runs = [
        run
        for (name, _), found in results.items()
        for run in found
        if name == experiment.name
    ]
    return {
        part: words
        for part, words in experiment.parts.items()
        if part not in RARE or any(run.get(part) for run in runs)
    }


def _headed(column: str) -> str:
    distribution = CLIENTS[column][0]
    return column.replace(distribution, f"{distribution} {version(distribution)}", 1)


def _cell(results: Results, experiment: Experiment, column: str) -> str:
    """The client's own numbers, and those of its variants where they differ."""
    if column not in experiment.columns:
        return "-"
    said = own = ""
    for words, client in experiment.clients(column).items():
        found = results.get((experiment.name, client))
        numbers = "no end" if found is None else _numbers(found, experiment)
        if not words:
            said = own = numbers
        elif numbers != own:
            said += f" ({words}: {numbers})"
    return said


def _numbers(found: list[Found], experiment: Experiment) -> str:
    return " / ".join(
        _range([run.get(part, 0) for run in found]) for part in experiment.parts
    )


def _range(values: list[float]) -> str:
    """The smallest and the largest, if they differ as they are written."""
    low, high = _written(min(values)), _written(max(values))
    return low if low == high else f"{low} to {high}"


def _written(value: float) -> str:
    if math.isinf(value):
        return "never"
    return f"{value:.0f}" if value == int(value) else f"{value:.2g}"
