"""Checking one table of a manifest against its keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..keys import Key
from ._problems import Problems, Wrong, did_you_mean
from ._values import Surroundings, convert, expected


class TableCheck:
    """Checks tables one after the other, and notes what is wrong with them.

    Args:
        problems: where it is noted.
        around: what values may refer to; replaced once all tables are known.
    """

    def __init__(self, problems: Problems, around: Surroundings) -> None:
        self.problems = problems
        self.around = around

    def check(
        self,
        where: str,
        table: Mapping[str, Any],
        keys: Mapping[str, Key],
        also: Iterable[str] = (),
    ) -> dict[str, Any]:
        """The checked values of a table, without those that are wrong.

        Args:
            where: the table's name for messages, such as ``issuers.store``.
            table: what it says.
            keys: what it may say.
            also: keys that it may have besides, for the message about unknown ones.
        """
        known = [*also, *keys]
        for name in table:
            if name not in keys:
                hint = did_you_mean(name, known)
                what = f"unknown key; expected one of {', '.join(sorted(known))}{hint}"
                self.problems.add(where, name, what)
        values = {}
        for name, key in keys.items():
            if name not in table:
                if key.required:
                    what = f"expected {expected(key)}, got nothing"
                    self.problems.add(where, name, what)
                elif key.default is not None:
                    values[name] = key.default
                continue
            try:
                values[name] = convert(key, table[name], self.around)
            except Wrong as wrong:
                self.problems.add(where, name, str(wrong))
        return values
