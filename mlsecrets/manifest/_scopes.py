"""Checking one scope, whose further keys depend on the issuer that it names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..access import VERBS, Access
from ..scope import Scope
from ._problems import Problems, got
from ._table import TableCheck
from ._tables import SCOPE_KEYS


def check_scope(
    name: str,
    table: Mapping[str, Any],
    issuers: Mapping[str, Any],
    tables: TableCheck,
) -> Scope:
    """The scope that a table describes, as far as it is right.

    Args:
        name: of the scope.
        table: what it says.
        issuers: the class of each issuer, None if there is a problem with it.
        tables: checks keys and notes problems.
    """
    where = f"scopes.{name}"
    issuer = table.get("issuer")
    kind = issuers.get(issuer) if isinstance(issuer, str) else None
    own = {key: value for key, value in table.items() if key in SCOPE_KEYS}
    rest = {key: value for key, value in table.items() if key not in SCOPE_KEYS}
    values = tables.check(where, own, SCOPE_KEYS)
    options: Mapping[str, Any] = {}
    if kind is not None:  # else nobody knows which further keys it may have
        keys = getattr(kind, "SCOPE_KEYS", {})
        options = tables.check(where, rest, keys, also=SCOPE_KEYS)
    ttl, max_ttl = values.get("ttl", 0.0), values.get("max_ttl", 0.0)
    if "ttl" in values and "max_ttl" in values and ttl > max_ttl:
        what = f"expected at most max_ttl, {table['max_ttl']}, got {table['ttl']}"
        tables.problems.add(where, "ttl", what)
    return Scope(
        name=name,
        owner=values.get("owner", ""),
        version=values.get("version", ""),
        issuer=values.get("issuer", ""),
        ttl=ttl,
        max_ttl=max_ttl,
        access=_access(where, values.get("access"), kind, tables.problems),
        options=options,
        workers=values.get("workers"),
    )


def verbs_of(kind: Any) -> frozenset[str]:
    """What scopes of an issuer may ask for: everything, if it does not say.

    Also for an issuer whose kind is wrong: that is one problem, not several.
    """
    verbs: frozenset[str] = getattr(kind, "VERBS", frozenset(VERBS))
    return verbs


def _access(
    where: str, lines: tuple[str, ...] | None, kind: Any, problems: Problems
) -> tuple[Access, ...]:
    verbs = verbs_of(kind)
    if lines == () and "use" not in verbs:
        what = "expected at least one right, got none: that would be the whole role"
        problems.add(where, "access", what)
    access = []
    for at, line in enumerate(lines or ()):
        try:
            entry = Access.parse(line)
        except ValueError as error:
            problems.add(where, f"access[{at}]", str(error))
            continue
        if entry.verb not in verbs:
            expected = " or ".join(sorted(verbs))
            what = f"expected {expected} from this kind of issuer, got {got(line)}"
            problems.add(where, f"access[{at}]", what)
        access.append(entry)
    return tuple(access)
