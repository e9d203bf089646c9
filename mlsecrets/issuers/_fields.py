"""Reading single fields of an answer: what is not as it should be is a `BadAnswer`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, TypeGuard

from ..errors import BadAnswer

#: What can stand in a header: a token, an id, a key. No spaces, no control characters.
_PRINTABLE = re.compile(r"[!-~]+", re.ASCII)
#: Half a character, which UTF-8 cannot hold.
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_REMEDY = "check that the address is the issuer's, and that nothing in between answers"


def duration(reply: Mapping[str, Any], key: str, where: str) -> float:
    """A number of seconds, finite and not negative.

    Raises:
        BadAnswer: it is anything else, or absent.
    """
    value = reply.get(key)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            seconds = float(value)
        except OverflowError:
            seconds = math.inf
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    raise unusable(where, key, "a number of seconds")


def word(reply: Mapping[str, Any], key: str, where: str) -> str:
    """A token or an id: printable ASCII without spaces.

    Raises:
        BadAnswer: it is anything else, or absent.
    """
    value = reply.get(key)
    if isinstance(value, str) and _PRINTABLE.fullmatch(value):
        return value
    raise unusable(where, key, "a text without spaces")


def part(reply: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
    """A JSON object inside another.

    Raises:
        BadAnswer: it is anything else, or absent.
    """
    value = reply.get(key)
    if isinstance(value, dict):
        return value
    raise unusable(where, key, "a JSON object")


def is_text(value: object) -> TypeGuard[str]:
    """Whether it is a text that can be kept as UTF-8."""
    return isinstance(value, str) and _SURROGATE.search(value) is None


def unusable(where: str, key: str, expected: str) -> BadAnswer:
    """The error for a field; names it, and never its value."""
    return BadAnswer(
        f"{where} answers without a usable {key}: expected {expected}", remedy=_REMEDY
    )
