"""The JSON Schema of `mlsecrets.toml`, made from the tables that check it.

Editors read it to complete keys and to mark mistakes. What refers to another table
(does that issuer exist, does it understand this key) no schema can say: `load` does.

``python -m mlsecrets.manifest.schema`` prints the published one.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from ..keys import Key
from ._durations import PATTERN as DURATION
from ._kinds import REVOKER_KEYS, Group, Kinds, kinds
from ._tables import GROUPS, NAME, SCOPE_KEYS, TOP_KEYS

_LOOPBACK = r"(localhost|127\.[0-9]+\.[0-9]+\.[0-9]+|\[::1\])"
_HOST = r"[^\s/?#@\\]+"
_S3 = r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[^/\s][^\s]*"

_TYPES: Mapping[str, Mapping[str, Any]] = {
    "string": {"type": "string", "pattern": r"\S"},
    "file": {"type": "string", "pattern": r"^[^~\s]"},
    "duration": {"type": "string", "pattern": f"^{DURATION}$"},
    "url": {
        "type": "string",
        "pattern": rf"^(https://{_HOST}|http://{_LOOPBACK}(:[0-9]+)?)(/[^?#\s\\]*)?$",
    },
    "integer": {"type": "integer"},
    "boolean": {"type": "boolean"},
    "list": {"type": "array", "items": {"type": "string", "pattern": r"\S"}},
    "table": {
        "type": "object",
        "additionalProperties": {"type": "string", "pattern": r"\S"},
    },
    "identity": {"type": "string", "pattern": f"^{NAME}$"},
    "issuer": {"type": "string", "pattern": f"^{NAME}$"},
    "revoker": {"type": "string", "pattern": f"^{NAME}$"},
    "issuer-path": {"type": "string", "pattern": f"^{NAME}:[^/].*$"},
}


def json_schema(kinds: Kinds) -> dict[str, Any]:
    """A schema (draft 2020-12) for manifests that use these kinds."""
    groups: tuple[Group, Group] = ("identities", "issuers")
    properties = {name: _value(key) for name, key in TOP_KEYS.items()}
    for group in groups:
        properties[group] = _named(group, _by_kind(kinds, group))
    properties["revokers"] = _named("revokers", _closed(REVOKER_KEYS))
    properties["scopes"] = _named("scopes", _any_scope(kinds))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mlsecrets.toml",
        "description": "Which credentials a job may lease, from where, for how long.",
        "type": "object",
        "properties": properties,
        "required": [name for name, key in TOP_KEYS.items() if key.required],
        "additionalProperties": False,
    }


def _named(group: str, table: dict[str, Any]) -> dict[str, Any]:
    return {
        "description": GROUPS[group],
        "type": "object",
        "propertyNames": {"pattern": f"^{NAME}$"},
        "additionalProperties": table,
    }


def _by_kind(kinds: Kinds, group: Group) -> dict[str, Any]:
    """One table per kind, chosen by its `kind`: editors then name the wrong key."""
    names = kinds.names(group)
    kind = {"type": "string", "enum": names, "description": "which kind it is"}
    return {
        "type": "object",
        "properties": {"kind": kind},
        "required": ["kind"],
        "allOf": [
            {
                "if": {"properties": {"kind": {"const": name}}, "required": ["kind"]},
                "then": _closed(kinds.get(group, name).KEYS, {"kind": True}),
            }
            for name in names
        ],
    }


def _any_scope(kinds: Kinds) -> dict[str, Any]:
    """A scope of any kind of issuer: which one, only the reference could tell."""
    tables: list[dict[str, Any]] = []
    for name in kinds.names("issuers"):
        kind = kinds.issuer(name)
        table = _closed({**SCOPE_KEYS, **kind.SCOPE_KEYS})
        table["properties"]["access"] = _access(kind.VERBS)
        if table not in tables:  # two spellings of one kind
            tables.append(table)
    return {"anyOf": tables}


def _access(verbs: frozenset[str]) -> dict[str, Any]:
    lines = [f"{verb} {_S3}" for verb in sorted(verbs - {"use"})]
    if "use" in verbs:
        lines.append(f"use (https://{_HOST}|http://{_LOOPBACK}(:[0-9]+)?)/?")
    return {
        "description": SCOPE_KEYS["access"].description,
        "type": "array",
        "items": {"type": "string", "pattern": f"^({'|'.join(lines)})$"},
        # Without any right, a session would have the whole role.
        "minItems": 0 if "use" in verbs else 1,
    }


def _closed(
    keys: Mapping[str, Key], also: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {
            **(also or {}),
            **{name: _value(key) for name, key in keys.items()},
        },
        "required": [name for name, key in keys.items() if key.required],
        "additionalProperties": False,
    }


def _value(key: Key) -> dict[str, Any]:
    value = dict(_TYPES[key.type])
    string = {"enum": list(key.choices)} if key.choices else {}
    if key.pattern:
        string["pattern"] = f"^({key.pattern})$"  # type: ignore[assignment]
    if string and key.type == "list":
        value["items"] = {**value["items"], **string}
    elif string and key.type == "table":
        value["additionalProperties"] = {**value["additionalProperties"], **string}
    else:
        value |= string
    if key.description:
        value["description"] = key.description
    return value


def built_in() -> Kinds:
    """The kinds of this package alone, whatever else is installed."""
    groups: tuple[Group, Group] = ("issuers", "identities")
    issuers, identities = (
        {
            name: kind
            for name in kinds.names(group)
            if (kind := kinds.get(group, name)).__module__.startswith("mlsecrets.")
        }
        for group in groups
    )
    return Kinds(issuers, identities)


def published() -> str:
    """The text of ``docs/mlsecrets.schema.json``."""
    return json.dumps(json_schema(built_in()), indent=2) + "\n"


if __name__ == "__main__":
    sys.stdout.write(published())
