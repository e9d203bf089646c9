"""The demo for people: lines while it runs, a page at its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from .plan import OWN_TOKEN


class Progress:
    """Prints what the demo tells.

    Args:
        console: where to.
    """

    def __init__(self, console: Console) -> None:
        self._console = console

    def __call__(self, message: Mapping[str, Any]) -> None:
        """One message."""
        line = _line(message)
        if line:
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)


def _line(message: Mapping[str, Any]) -> str:
    said = message["say"]
    if said == "progress":
        generations = ", ".join(
            f"{scope} {count}" for scope, count in message["generations"].items()
        )
        return (
            f"{message['elapsed']:6.1f} s  epoch {message['epoch']:4d}  "
            f"step {message['step']:6d}  loss {message['loss']:.4f}  "
            f"{message['reads']:5d} reads  generations: {generations}"
        )
    if said == "phase":
        return f"-- {message['name']}"
    if said == "stack":
        shards = message["shards"]
        return (
            f"   OpenBao, SeaweedFS, revoker and MLflow serve after "
            f"{message['seconds']:.1f} s; {len(shards['train'])} + "
            f"{len(shards['test'])} shards written"
        )
    return {
        "starting": "-- starting the embedded stack",
        "all handed over": "   the thief's copies of the last credentials all work",
        "leaving": "   the block is left; trying the copies until they are refused",
        "watching": "   waiting for the last copy to expire",
        "control": "-- control: the same training on credentials fetched once",
    }.get(said, "")


def page(console: Console, report: Mapping[str, Any]) -> None:
    """The whole report."""
    for part in (_leases, _calls, _run, _old, _memory, _control, _promises):
        console.print()
        part(console, report)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    return table


def _leases(console: Console, report: Mapping[str, Any]) -> None:
    columns = ("issued", "renewed", "replaced", "failed_renewals", "revoked")
    heads = [column.replace("_", " ") for column in columns]
    table = _table("Leases (journal)", "scope", *heads)
    for scope, counts in report["scopes"].items():
        table.add_row(scope, *(str(counts[column]) for column in columns))
    console.print(table)


def _calls(console: Console, report: Mapping[str, Any]) -> None:
    calls = report["issuer_calls"]
    table = _table("Issuer calls", "call", "journal", "engine", "engine's source")
    for row in calls["compared"]:
        table.add_row(
            row["call"], str(row["journal"]), str(row["engine"]), row["source"]
        )
    console.print(table)
    _say(
        console,
        f"by workers: {calls['by_workers']} ({calls['workers_attached']} worker "
        f"processes attached to the owner's socket; logins seen by OpenBao: "
        f"{calls['logins_seen']})",
    )


def _run(console: Console, report: Mapping[str, Any]) -> None:
    read, training = report["reads"], report["training"]
    _say(
        console,
        f"training: {training['epochs']} epochs, {training['steps']} steps, "
        f"test accuracy {training['accuracy']:.2%} "
        f"({training['test_right']} of {training['test_images']} images)",
        f"reads of shards, counted by the workers: {read['ok']} ok, "
        f"{read['failed']} failed; median {read['median_ms']} ms, "
        f"slowest {read['slowest_ms']} ms",
        f"requests for data, counted by the store: {read['store_requests']}, "
        f"{read['store_errors']} answered with an error; "
        f"{read['checkpoints_written']} checkpoints written",
        "what the train-data lease does not allow:",
        *(f"  {tried['what']}: {tried['answer']}" for tried in report["prefix"]),
    )


def _old(console: Console, report: Mapping[str, Any]) -> None:
    _say(console, "old credentials, tried again after the block was left:")
    for found in report["old_credentials"]:
        name = "OpenBao token" if found["scope"] == OWN_TOKEN else found["scope"]
        if found["refused_after"] is None:
            _say(console, f"  {name} at {found['where']}: STILL ACCEPTED")
            continue
        line = (
            f"  {name} at {found['where']}: {found['how']}, refused after "
            f"{found['refused_after']:.1f} s ({found['answer']})"
        )
        if found["how"] == "revoked":
            line += f", {found['seconds_left']:.1f} s before its end"
        if found["later"]:
            line += f"; past its end: {found['later']}"
        _say(console, line)
    _say(console, "  (a signed JWT cannot be revoked: it ends at its TTL)")


def _memory(console: Console, report: Mapping[str, Any]) -> None:
    _say(console, "what the training process's memory still held of the secrets:")
    for scope, shred in report["memory"].items():
        shown = ", ".join(shred["exposure"]) or "never read"
        _say(console, f"  {scope}: {shown}; {_swept(shred)}")


def _swept(shred: Mapping[str, Any]) -> str:
    swept = shred["sweep"]
    if swept is None or shred["not_swept"]:
        return f"not swept: {shred['not_swept']}"
    where = ", ".join(f"{name} {n}" for name, n in swept["regions"].items())
    return (
        f"{swept['copies']} full copies and {swept['fragments']} fragments "
        f"({where or 'nowhere'}), {swept['left']} left; "
        f"{swept['scanned_bytes'] / 1e6:.0f} MB searched in {swept['seconds']:.1f} s, "
        f"stopped for {swept['frozen_seconds'] * 1000:.1f} ms"
    )


def _control(console: Console, report: Mapping[str, Any]) -> None:
    control = report["control"]
    if control is None:
        _say(console, "control: skipped")
        return
    how = "failed" if control["failed"] else "did NOT fail"
    _say(
        console,
        f"control, static credentials: {how} after {control['after']:.1f} s and "
        f"{control['reads']} reads: {control['error']}",
    )


def _promises(console: Console, report: Mapping[str, Any]) -> None:
    for promise in report["promises"]:
        mark = "kept  " if promise["kept"] else "BROKEN"
        style = "green" if promise["kept"] else "bold red"
        console.print(
            f"{mark}  {promise['text']}: {promise['detail']}",
            style=style,
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    walls = report["wall_seconds"]
    parts = ", ".join(f"{part} {seconds:g} s" for part, seconds in walls.items())
    _say(console, f"time: {parts}", *(report.get("files") or {}).values())


def _say(console: Console, *lines: str) -> None:
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
