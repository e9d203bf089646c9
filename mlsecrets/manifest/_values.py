"""Checking one value against its `Key`, and making of it what the code works with."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._origin import origin_of, shown
from ..keys import Key, KeyType
from ._durations import parse_duration
from ._problems import Wrong, did_you_mean, got


@dataclass(frozen=True)
class Surroundings:
    """What a value may refer to.

    Args:
        folder: of the manifest; relative files are in it.
        names: of the tables, by group: issuers, identities, revokers.
        bearers: the issuers that give bearer tokens.
    """

    folder: Path
    names: Mapping[str, Collection[str]]
    bearers: Collection[str]


def convert(key: Key, value: object, around: Surroundings) -> Any:
    """The checked value.

    Raises:
        Wrong: what was expected and what came.
    """
    return _READERS[key.type](key, value, around)


def expected(key: Key) -> str:
    """What a key asks for, for messages: ``a URL (where the server answers)``."""
    kind = _EXPECTED[key.type]
    return f"{kind} ({key.description})" if key.description else kind


def _string(key: Key, value: object, around: Surroundings) -> str:
    if not isinstance(value, str) or not value.strip():
        raise Wrong(f"expected {expected(key)}, got {got(value)}")
    if key.choices and value not in key.choices:
        choices = " or ".join(map(repr, key.choices))
        hint = did_you_mean(value, key.choices)
        raise Wrong(f"expected {choices}, got {got(value)}{hint}")
    if key.pattern and not re.fullmatch(key.pattern, value):
        raise Wrong(f"expected {expected(key)}, got {got(value)}")
    return value


def _file(key: Key, value: object, around: Surroundings) -> Path:
    text = _string(key, value, around)
    if text.startswith("~") or "\0" in text:
        raise Wrong(f"expected {expected(key)}, got {got(text)}")
    return around.folder / text


def _duration(key: Key, value: object, around: Surroundings) -> float:
    return parse_duration(value)


def _url(key: Key, value: object, around: Surroundings) -> str:
    text = _string(key, value, around)
    wrong = f"expected {expected(key)}, got {got(text)}"
    try:
        origin = origin_of(text)
    except ValueError as error:
        raise Wrong(f"{wrong}: {error}") from None
    if "?" in text or "#" in text:
        raise Wrong(f"{wrong}: it ends before any ? or #")
    if origin.scheme == "http" and not origin.loopback:
        raise Wrong(
            f"expected https://, got {shown(text)!r}: "
            "http:// would show secrets to the network, and is for loopback only"
        )
    return text.rstrip("/")


def _integer(key: Key, value: object, around: Surroundings) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise Wrong(f"expected {expected(key)}, got {got(value)}")
    return value


def _boolean(key: Key, value: object, around: Surroundings) -> bool:
    if not isinstance(value, bool):
        raise Wrong(f"expected {expected(key)}, got {got(value)}")
    return value


def _list(key: Key, value: object, around: Surroundings) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise Wrong(f"expected {expected(key)}, got {got(value)}")
    return tuple(_string(key, item, around) for item in value)


def _table(key: Key, value: object, around: Surroundings) -> dict[str, str]:
    if not isinstance(value, dict):
        raise Wrong(f"expected {expected(key)}, got {got(value)}")
    return {name: _string(key, item, around) for name, item in value.items()}


def _reference(group: str) -> Callable[[Key, object, Surroundings], str]:
    def read(key: Key, value: object, around: Surroundings) -> str:
        name = _string(key, value, around)
        known = around.names[group]
        if name not in known:
            hint = did_you_mean(name, known)
            raise Wrong(f"expected {expected(key)}, got {got(name)}{hint}")
        return name

    return read


def _issuer_path(key: Key, value: object, around: Surroundings) -> str:
    text = _string(key, value, around)
    issuer, colon, path = text.partition(":")
    if not colon or not issuer or not path.strip("/") or path.startswith("/"):
        raise Wrong(f"expected {expected(key)}, got {got(text)}")
    _READERS["issuer"](Key("issuer", key.description), issuer, around)
    if issuer not in around.bearers:
        raise Wrong(f"expected an issuer that gives tokens, got {got(issuer)}")
    return text


_EXPECTED: Mapping[KeyType, str] = {
    "string": "a string that is not empty",
    "file": "a path, absolute or relative to the manifest's folder",
    "duration": 'a duration such as "15m"',
    "url": "a URL such as https://host:port",
    "integer": "a whole number",
    "boolean": "true or false",
    "list": "a list of strings",
    "table": "a table of strings",
    "identity": "the name of an [identities.<name>] table",
    "issuer": "the name of an [issuers.<name>] table",
    "revoker": "the name of a [revokers.<name>] table",
    "issuer-path": 'an issuer and a path there, such as "bao:identity/oidc/token/s3"',
}

_READERS: Mapping[KeyType, Callable[[Key, object, Surroundings], Any]] = {
    "string": _string,
    "file": _file,
    "duration": _duration,
    "url": _url,
    "integer": _integer,
    "boolean": _boolean,
    "list": _list,
    "table": _table,
    "identity": _reference("identities"),
    "issuer": _reference("issuers"),
    "revoker": _reference("revokers"),
    "issuer-path": _issuer_path,
}
