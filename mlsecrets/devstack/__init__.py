"""A whole platform on this machine, for trying things out: real engines, real limits.

::

    from mlsecrets.devstack import DevStack

    with DevStack(ttl=10.0) as stack:
        print(stack.manifest_path)

OpenBao issues, SeaweedFS stores and checks STS sessions, a revoker ends them, MLflow
joins on request. Everything listens on 127.0.0.1 and lives in one private folder; no
engine survives the process that started it. Not for production: nothing is persisted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._binaries import Binaries
    from ._errors import BinaryUnusable, DevStackError, EngineFailed
    from .stack import DevStack

#: Imported when first used: the revoker's and MLflow's own processes pass through here
#: and need none of it.
_HOMES = {
    "Binaries": "_binaries",
    "BinaryUnusable": "_errors",
    "DevStack": "stack",
    "DevStackError": "_errors",
    "EngineFailed": "_errors",
}

__all__ = ["Binaries", "BinaryUnusable", "DevStack", "DevStackError", "EngineFailed"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
