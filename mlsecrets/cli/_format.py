"""Durations to and from the words that people type and read."""

from __future__ import annotations

from datetime import datetime

import typer


def seconds(text: str, option: str) -> float:
    """The seconds of ``10s``, ``5m`` or ``1h30m``, as manifests spell them.

    Raises:
        typer.BadParameter: it is no duration; typer names the option.
    """
    from ..manifest._durations import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=f"'{option}'") from None


def spoken(duration: float) -> str:
    """Seconds for people: ``8.9 s``, ``5 min``, ``1 h 30 min``."""
    if duration < 99.5:
        text = f"{duration:.1f}".removesuffix(".0")
        return f"{text} s"
    minutes = round(duration / 60)
    if minutes < 100:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def time_of_day(epoch: float) -> str:
    """Epoch seconds as this machine's local time."""
    return datetime.fromtimestamp(epoch).astimezone().strftime("%H:%M:%S")
