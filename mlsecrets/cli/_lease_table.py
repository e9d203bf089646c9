"""Leases as a table for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from ._format import spoken, time_of_day
from ._leases import LeaseLine

COLUMNS = ("scope", "process", "state", "generations", "last renewal", "ends")
#: Columns of text where there is no terminal, so that lines stay whole for grep.
WIDE = 240
#: What stands out in a live table.
_STYLES = {"doomed": "bold red", "lapsed": "dim"}


def print_leases(leases: Sequence[LeaseLine], now: float) -> None:
    """One line for each lease, on standard output.

    Args:
        now: epoch seconds.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in COLUMNS:
        table.add_column(column, no_wrap=True)
    table.add_column("others")
    table.add_column("trouble")
    table.add_column("fate")
    table.add_column("memory")
    for lease in leases:
        table.add_row(*_cells(lease, now))
    console_of_tables().print(table)


def live_table(leases: Sequence[LeaseLine], now: float) -> Table:
    """How leases fare that are open, one line each.

    Args:
        now: epoch seconds.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("scope", "process", "state"):
        table.add_column(column, no_wrap=True)
    for column in ("left", "generation", "renewals"):
        table.add_column(column, no_wrap=True, justify="right")
    table.add_column("readers")
    table.add_column("last error")
    for lease in leases:
        state = lease.state(now)
        left = None if lease.expires_at is None else max(lease.expires_at - now, 0.0)
        table.add_row(
            lease.scope,
            str(lease.pid),
            state,
            "-" if left is None else spoken(left),
            str(lease.generations or "-"),
            # Both kinds: later terms, and new credentials.
            str(lease.renewals + max(lease.generations - 1, 0)),
            _others(lease) or "-",
            _trouble(lease) or "-",
            style=_STYLES.get(state),
        )
    return table


def console_of_tables() -> Console:
    """Standard output, as wide as any line where it is no terminal."""
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = WIDE
    return console


def _cells(lease: LeaseLine, now: float) -> tuple[str, ...]:
    state = lease.state(now)
    ends = _at(lease.expires_at)
    if state in {"open", "doomed"} and lease.expires_at is not None:
        ends = f"in {spoken(lease.expires_at - now)}"
    fates = (f"{count} {fate.replace('_', ' ')}" for fate, count in lease.fates.items())
    return (
        lease.scope,
        str(lease.pid),
        state,
        str(lease.generations or "-"),
        _at(lease.last_renewal),
        ends,
        _others(lease) or "-",
        _trouble(lease) or "-",
        ", ".join(fates) or "-",
        lease.memory or "-",
    )


def _at(epoch: float | None) -> str:
    return "-" if epoch is None else time_of_day(epoch)


def _others(lease: LeaseLine) -> str:
    """Who else holds it or has read it, and who was not let."""
    counts = {
        "member(s)": lease.members,
        "worker(s)": lease.workers,
        "refused": lease.refused,
    }
    return ", ".join(f"{count} {who}" for who, count in counts.items() if count)


def _trouble(lease: LeaseLine) -> str:
    parts = []
    if lease.failures:
        parts.append(f"{lease.failures} failed ({lease.last_failure})")
    if lease.rejected:
        parts.append(f"{lease.rejected} rejected")
    return ", ".join(parts)
