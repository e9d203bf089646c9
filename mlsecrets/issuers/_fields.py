"""Reading single fields of an answer: what is not as it should be is a `BadAnswer`.

What is public comes out as a Python value; what is secret stays where it lies.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from ..errors import BadAnswer
from ..memory import Sealed
from ._sealed_json import Object, Value

#: What can stand in a header: a token, an id, a key. No spaces, no control characters.
_PRINTABLE = re.compile(rb"[!-~]+")
_REMEDY = "check that the address is the issuer's, and that nothing in between answers"


def duration(reply: Mapping[str, Value], key: str, where: str) -> float:
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


def word(reply: Mapping[str, Value], key: str, where: str) -> str:
    """An id, which is public: printable ASCII without spaces.

    Raises:
        BadAnswer: it is anything else, or absent.
    """
    return secret_word(reply, key, where).text()


def secret_word(reply: Mapping[str, Value], key: str, where: str) -> Sealed:
    """A token or a key: the same, in the answer's memory.

    Raises:
        BadAnswer: it is anything else, or absent.
    """
    value = reply.get(key)
    if isinstance(value, Sealed) and _is_word(value):
        return value
    raise unusable(where, key, "a text without spaces")


def part(reply: Mapping[str, Value], key: str, where: str) -> Object:
    """A JSON object inside another.

    Raises:
        BadAnswer: it is anything else, or absent.
    """
    value = reply.get(key)
    if isinstance(value, dict):
        return value
    raise unusable(where, key, "a JSON object")


def unusable(where: str, key: str, expected: str) -> BadAnswer:
    """The error for a field; names it, and never its value."""
    return BadAnswer(
        f"{where} answers without a usable {key}: expected {expected}", remedy=_REMEDY
    )


def _is_word(value: Sealed) -> bool:
    with value.reading() as view:
        return _PRINTABLE.fullmatch(view) is not None
