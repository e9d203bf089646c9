"""Which node leases as whom: by the manifest that its owner reads, on that node."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import TypeAlias

from mlsecrets.errors import IdentityError

from ._nodes import Node

Path: TypeAlias = "str | os.PathLike[str]"


@dataclass(frozen=True)
class Identities:
    """A manifest for each node, said explicitly; nothing is guessed.

    Attributes:
        by_node: a node's id, address, host name, custom resource, or ``label=value``,
            and the path of its manifest.
        default: the manifest of nodes that none of them means; None for none.
    """

    by_node: Mapping[str, str]
    default: str | None = None

    @classmethod
    def of(cls, by_node: Mapping[str, Path] | None, default: Path | None) -> Identities:
        """From what the user said; paths are those of the nodes, so left as they are.

        Raises:
            ValueError: a path is relative: workers have working directories of their
                own.
        """
        paths = {name: os.fspath(path) for name, path in (by_node or {}).items()}
        given = None if default is None else os.fspath(default)
        for path in (*paths.values(), *([given] if given else [])):
            if not PurePath(path).is_absolute():
                raise ValueError(f"expected a manifest's absolute path, got {path!r}")
        return cls(paths, given)

    def of_node(self, node: Node) -> str | None:
        """The path of a node's manifest; None if the node's environment is to say it.

        Raises:
            IdentityError: it has none, or several.
        """
        found = {key: path for key, path in self.by_node.items() if _means(key, node)}
        if len(set(found.values())) > 1:
            raise IdentityError(
                f"node {node} has several identities: {', '.join(sorted(found))}",
                remedy="say one manifest for each node in identities=",
            )
        if found:
            return next(iter(found.values()))
        if self.by_node and self.default is None:
            raise IdentityError(
                f"node {node} has no identity: none of {', '.join(self.by_node)} "
                "means it",
                remedy="add it to identities=, or say manifest= for all other nodes",
            )
        return self.default


def _means(key: str, node: Node) -> bool:
    label, is_label, value = key.partition("=")
    if is_label:
        return node.labels.get(label) == value
    return key in {node.id, node.address, node.hostname} or key in node.resources
