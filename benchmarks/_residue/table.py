"""What was found, as a table for a terminal or for Markdown."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib.metadata import version

from .plan import CLIENTS
from .run import Cell, Results
from .trial import AFTER, DURING, Found

#: The columns: transport and pause.
COLUMNS = tuple(
    (transport, pause) for transport in ("HTTP", "TLS") for pause in (DURING, AFTER)
)
ALL = "together"


def markdown(results: Results) -> str:
    """A row for each client and secret."""
    columns = _columns(results)
    lines = [
        "| client | runs | secret | " + " | ".join(map(" ".join, columns)) + " |",
        "|---|---|---|" + "---|" * len(columns),
    ]
    for name in _names(results):
        head = f"{_titled(name)} | {_runs(results, name)}"
        for kind in _kinds(name):
            cells = [_cell(results, name, column, kind) for column in columns]
            lines.append(f"| {head} | {kind} | " + " | ".join(cells) + " |")
            head = " | "
    return "\n".join(lines)


def plain(results: Results) -> str:
    """A block for each client, and where the copies were."""
    columns = _columns(results)
    lines = []
    for name in _names(results):
        lines += ["", f"{_titled(name)}, {_runs(results, name)} run(s):"]
        head = "".join(f"{' '.join(column):<16}" for column in columns)
        lines.append(f"  {'':<14}  {head.rstrip()}")
        for kind in _kinds(name):
            cells = [_cell(results, name, column, kind) for column in columns]
            row = "".join(f"{cell:<16}" for cell in cells)
            lines.append(f"  {kind:<14}  {row.rstrip()}")
        lines += [
            f"  {' '.join(column)}: {places}"
            for column in columns
            if (places := _places(results, name, column))
        ]
        lines += [*_locked(results, name), *_told(results, name)]
    return "\n".join(lines)


def proofs(results: Results) -> str:
    """Why the zeros mean something, or which of them do not."""
    cells = list(results.cells.items())
    found = [run for _, cell in cells for run in cell.found]
    seen = Counter(sight.how for run in found for sight in run.sights.values())
    lines = [
        f"{sum(seen.values())} looks: "
        + (", ".join(f"{count} by {how}" for how, count in seen.items()) or "none"),
        "a copy and a piece, planted in every client, were found at every look",
        "every client had all the secrets that it is looked into for",
        "answers without a valid credential: "
        + ", ".join(f"{who} {status}" for who, status in results.refusals.items()),
    ]
    lines += [
        f"NOT SEEN: {CLIENTS[name].title}, {transport}: {cell.skipped}"
        for (name, transport), cell in cells
        if cell.skipped is not None
    ]
    lines += [
        f"FAILED: {CLIENTS[name].title}, {transport}, {len(cell.failed)} runs: "
        + cell.failed[0].strip().splitlines()[-1]
        for (name, transport), cell in cells
        if cell.failed
    ]
    return "\n".join(lines)


def versions(results: Results) -> str:
    """What was run."""
    names = dict.fromkeys(
        ("mlsecrets", *(CLIENTS[name].distribution for name in _names(results)))
    )
    listed = ", ".join(f"{name} {version(name)}" for name in names)
    return f"{listed}; Python {platform.python_version()}, {platform.system()}"


def _names(results: Results) -> list[str]:
    return list(dict.fromkeys(name for name, _ in results.cells))


def _columns(results: Results) -> list[tuple[str, str]]:
    transports = {transport for _, transport in results.cells}
    return [column for column in COLUMNS if column[0] in transports]


def _kinds(name: str) -> tuple[str, ...]:
    kinds = CLIENTS[name].kinds
    return (*kinds, ALL) if len(kinds) > 1 else kinds


def _titled(name: str) -> str:
    client = CLIENTS[name]
    return f"{client.title} ({client.distribution} {version(client.distribution)})"


def _runs(results: Results, name: str) -> str:
    counts = [len(cell.found) for (of, _), cell in results.cells.items() if of == name]
    return _span(counts, "-")


def _cell(results: Results, name: str, column: tuple[str, str], kind: str) -> str:
    transport, pause = column
    cell = results.cells[name, transport]
    if cell.skipped is not None:
        return "not seen"
    if not cell.found:
        return "no run"
    full, pieces = zip(*_numbers(cell, name, pause, kind), strict=True)
    return f"{_span(full, '-')}/{_span(pieces, '-')}"


def _numbers(cell: Cell, name: str, pause: str, kind: str) -> Iterator[tuple[int, int]]:
    for run in cell.found:
        counts = run.sights[pause].counts
        kinds = CLIENTS[name].kinds if kind == ALL else [kind]
        chosen = [counts[kind] for kind in kinds]
        yield sum(count.full for count in chosen), sum(count.pieces for count in chosen)


def _places(results: Results, name: str, column: tuple[str, str]) -> str:
    """In how many runs something was where."""
    transport, pause = column
    runs: Counter[str] = Counter()
    for run in results.cells[name, transport].found:
        counts = [run.sights[pause].counts[kind] for kind in CLIENTS[name].kinds]
        runs.update({where for count in counts for where in count.where})
    return ", ".join(f"{where} in {count} run(s)" for where, count in runs.items())


def _locked(results: Results, name: str) -> list[str]:
    """What was seen in locked memory, of the kinds that can be looked into."""
    found = _found(results, name)
    counts = {
        pause: [
            sum(count.locked for count in run.sights[pause].counts.values())
            for run in found
        ]
        for pause in (DURING, AFTER)
    }
    if not any(map(any, counts.values())):
        return []
    spans = (f"{pause} {_span(numbers, '-')}" for pause, numbers in counts.items())
    return ["  in locked memory itself: " + ", ".join(spans)]


def _told(results: Results, name: str) -> list[str]:
    """What the leases themselves say of it, each thing once."""
    told = [run.told for run in _found(results, name) if run.told is not None]
    if not told:
        return []
    memory = Counter(str(report["memory"]) for report in told)
    lines = [
        "  kept in "
        + ", ".join(f"{kind} ({n})" for kind, n in memory.items())
        + "; "
        + ", ".join(dict.fromkeys(use for report in told for use in report["exposure"]))
    ]
    sweeps = [report["sweep"] for report in told if report["sweep"] is not None]
    if sweeps:
        of = {
            part: _span([sweep[part] for sweep in sweeps], "-")
            for part in ("copies", "fragments", "left")
        }
        seconds = max(sweep["seconds"] for sweep in sweeps)
        stopped = max(sweep["longest_freeze"] for sweep in sweeps)
        lines.append(
            f"  its own sweeps, {len(sweeps)}: found {of['copies']}/{of['fragments']}, "
            f"left {of['left']}, in {seconds:.1f} s at most, "
            f"stopped for {1000 * stopped:.0f} ms at most"
        )
    refused = {
        str(report["not_swept"] or report["sweep"]["refused"])
        for report in told
        if report["not_swept"] or report["sweep"]["refused"]
    }
    return [*lines, *(f"  not swept: {reason}" for reason in sorted(refused))]


def _found(results: Results, name: str) -> list[Found]:
    """All runs of a client."""
    cells = [cell for (of, _), cell in results.cells.items() if of == name]
    return [run for cell in cells for run in cell.found]


def _span(numbers: Iterable[int], between: str) -> str:
    listed = list(numbers)
    low, high = min(listed), max(listed)
    return str(low) if low == high else f"{low}{between}{high}"
