"""Writing OpenBao's configuration language, as far as we need it.

Not JSON, which the server also reads: its parser flattens objects with a single key,
and ``audit`` and ``initialize`` blocks then lose their labels (seen with 2.7.2).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


def value(this: Any) -> str:
    """A literal. Strings are quoted as in JSON, which HCL 1 reads alike.

    Raises:
        ValueError: a string with ``${``, which HCL would try to interpolate.
    """
    if isinstance(this, Mapping):
        pairs = (f"{json.dumps(key)} = {value(item)}" for key, item in this.items())
        return "{ " + ", ".join(pairs) + " }"
    if isinstance(this, Sequence) and not isinstance(this, str):
        return "[" + ", ".join(value(item) for item in this) + "]"
    if isinstance(this, str) and "${" in this:
        raise ValueError("expected a plain string, got one with ${")
    return json.dumps(this)


def block(kind: str, labels: Sequence[str], *body: str) -> str:
    """``kind "label" ... { body }``, one line for each of the body's parts."""
    head = " ".join([kind, *(json.dumps(label) for label in labels)])
    lines = "".join(f"  {line}\n" for part in body for line in part.splitlines())
    return f"{head} {{\n{lines}}}\n"


def attributes(**items: Any) -> str:
    """``name = value`` lines."""
    return "".join(f"{name} = {value(item)}\n" for name, item in items.items())
