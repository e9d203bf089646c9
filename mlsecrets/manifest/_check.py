"""Checking a whole manifest: every table, and every reference between them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..keys import Key
from ._kinds import REVOKER_KEYS, Group, Kinds
from ._manifest import Manifest, Section
from ._problems import Problems, did_you_mean, got
from ._scopes import check_scope, verbs_of
from ._table import TableCheck
from ._tables import GROUPS, NAME, TOP_KEYS
from ._values import Surroundings

_Tables = dict[str, dict[str, Any]]


class Check:
    """One pass over one document; problems are collected and raised at its end.

    Args:
        path: of the file, absolute.
        kinds: the kinds that it may name.
    """

    def __init__(self, path: Path, kinds: Kinds) -> None:
        self._path = path
        self._kinds = kinds
        self._problems = Problems(path)
        self._tables = TableCheck(self._problems, Surroundings(path.parent, {}, ()))

    def manifest(self, document: Mapping[str, Any], *, digest: str) -> Manifest:
        """The manifest that a parsed document describes.

        Raises:
            ManifestProblems: everything that is wrong with it.
        """
        top = {key: value for key, value in document.items() if key not in GROUPS}
        values = self._tables.check("", top, TOP_KEYS, also=GROUPS)
        groups = {group: self._group(document, group) for group in GROUPS}
        issuers = self._classes("issuers", groups["issuers"])
        identities = self._classes("identities", groups["identities"])
        self._tables.around = Surroundings(
            self._path.parent,
            groups,
            [name for name, kind in issuers.items() if "use" in verbs_of(kind)],
        )
        manifest = Manifest(
            path=self._path,
            name=values.get("name", ""),
            version=values.get("version", ""),
            digest=digest,
            identities=self._sections("identities", groups, identities),
            issuers=self._sections("issuers", groups, issuers),
            revokers={
                name: self._section("revokers", name, table, REVOKER_KEYS)
                for name, table in groups["revokers"].items()
            },
            scopes={
                name: check_scope(name, table, issuers, self._tables)
                for name, table in groups["scopes"].items()
            },
        )
        self._problems.raise_if_any()
        return manifest

    def _group(self, document: Mapping[str, Any], group: str) -> dict[str, Any]:
        """The tables below [group], those that are none left out."""
        tables = document.get(group, {})
        if not isinstance(tables, dict):
            self._problems.add(
                "", group, f"expected tables such as [{group}.name], got {got(tables)}"
            )
            return {}
        for name, table in tables.items():
            if not isinstance(table, dict):
                what = f"expected a table [{group}.{name}], got {got(table)}"
                self._problems.add(group, name, what)
            elif not re.fullmatch(NAME, name):
                self._problems.add(
                    group,
                    "",
                    "expected a name of lower-case letters, digits and dashes, "
                    f"got {got(name)}",
                )
        return {
            name: table for name, table in tables.items() if isinstance(table, dict)
        }

    def _classes(self, group: Group, tables: _Tables) -> dict[str, Any]:
        return {
            name: self._class(group, f"{group}.{name}", table.get("kind"))
            for name, table in tables.items()
        }

    def _class(self, group: Group, where: str, kind: object) -> Any:
        """The class of a kind, or None if there is a problem with it."""
        known = self._kinds.names(group)
        if not isinstance(kind, str) or kind not in known:
            came = "nothing" if kind is None else got(kind)
            hint = did_you_mean(kind, known) if isinstance(kind, str) else ""
            expected = " or ".join(map(repr, known))
            self._problems.add(where, "kind", f"expected {expected}, got {came}{hint}")
            return None
        try:
            found = self._kinds.get(group, kind)
            _ = found.KEYS
        except (ImportError, AttributeError) as error:
            what = f"{kind!r} cannot be loaded: {type(error).__name__}: {error}"
            self._problems.add(where, "kind", what)
            return None
        return found

    def _sections(
        self, group: Group, groups: Mapping[str, _Tables], classes: Mapping[str, Any]
    ) -> dict[str, Section]:
        return {
            name: self._section(group, name, table, classes[name].KEYS)
            for name, table in groups[group].items()
            if classes[name] is not None
        }

    def _section(
        self, group: str, name: str, table: Mapping[str, Any], keys: Mapping[str, Key]
    ) -> Section:
        also = () if group == "revokers" else ("kind",)
        own = {key: value for key, value in table.items() if key not in also}
        return Section(
            name=name,
            kind=str(table.get("kind", group)),
            values=self._tables.check(f"{group}.{name}", own, keys, also=also),
            where=f"{self._path.name}: [{group}.{name}]",
        )
