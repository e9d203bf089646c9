"""OpenBao's self-initialisation: requests that it makes to itself on its first start.

They run before the listener accepts its first connection, on a token that is never
shown and revoked afterwards. A request that fails ends the server with a reason.
(OpenBao documentation: Configuration > Self-initialization, Concepts > Profiles.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import _hcl

_BLOCK = "stack"


@dataclass(frozen=True)
class Request:
    """One API request of the self-initialisation.

    Args:
        name: by which later requests refer to its answer.
        may_fail: go on where it is refused.
    """

    name: str
    path: str
    data: Mapping[str, Any] = field(default_factory=dict)
    operation: str = "update"
    may_fail: bool = False

    def hcl(self) -> str:
        """The block that declares it."""
        attributes: dict[str, Any] = {"operation": self.operation, "path": self.path}
        if self.data:
            attributes["data"] = self.data
        if self.may_fail:
            attributes["allow_failure"] = True
        return _hcl.block("request", [self.name], _hcl.attributes(**attributes))


def block(requests: Iterable[Request]) -> str:
    """The ``initialize`` block; they run in this order."""
    return _hcl.block("initialize", [_BLOCK], *(item.hcl() for item in requests))


def from_file(path: Path) -> dict[str, Any]:
    """A value that the server reads from a file: no argv, environ or HCL holds it."""
    return {"eval_source": "file", "eval_type": "string", "path": str(path)}


def from_answer(request: str, *selector: str) -> dict[str, Any]:
    """A value out of the answer to an earlier request."""
    return {
        "eval_source": "response",
        "eval_type": "string",
        "initialize_name": _BLOCK,
        "response_name": request,
        "field_selector": list(selector),
    }
