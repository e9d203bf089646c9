"""What a table of the manifest may say, key by key.

Every issuer and identity class carries such a table, so that a new kind is one file:
the manifest checks values against it, and the published JSON Schema is made from it.

>>> KEYS = {
...     "address": Key("url", required=True, description="where the server answers"),
...     "ca_file": Key("file", description="the CA that signed its certificate"),
... }
>>> KEYS["address"].required
True
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

KeyType = Literal[
    "string",  # -> str
    "file",  # a path, relative to the manifest's folder -> absolute Path
    "duration",  # "10s", "5m", "1h30m" -> float seconds
    "url",  # https://, or http:// on a loopback address -> str, no trailing slash
    "integer",  # -> int
    "boolean",  # -> bool
    "list",  # of strings -> tuple[str, ...]
    "table",  # of strings by name -> dict[str, str]
    "identity",  # the name of an [identities.<name>] table -> str
    "issuer",  # the name of an [issuers.<name>] table -> str
    "revoker",  # the name of a [revokers.<name>] table -> str
    "issuer-path",  # "<issuer name>:<path at that issuer>" -> str, as written
]
"""How a value is written and what a checked manifest gives for it."""


@dataclass(frozen=True)
class Key:
    """One key of a manifest table.

    Args:
        type: how the value is written; see `KeyType`.
        description: one sentence for people who edit the manifest; their editor
            shows it.
        required: whether the table is wrong without it. A key that is absent and not
            required is absent from the checked values too, unless it has a default.
        default: the checked value to use for an absent key.
        choices: the only strings allowed, where there are few.
        pattern: a regular expression that the whole string (for a list, each string;
            for a table, each value) must match. Written so that both Python and
            ECMA-262, which JSON Schema uses, read it alike.
    """

    type: KeyType
    description: str = ""
    required: bool = False
    default: object = None
    choices: tuple[str, ...] = ()
    pattern: str | None = None
