"""Short-lived credentials for training and inference processes.

::

    from mlsecrets import lease

    with lease("train-data", "mlflow") as creds:
        trainer.fit(...)
"""

from __future__ import annotations

TYPE_CHECKING = False  # as in typing, whose import would cost half of ours
if TYPE_CHECKING:
    from ._block import hand_over, hold, join, lease, open_scopes, release
    from ._bundle import Bundle
    from ._current import configure
    from ._lease import Lease
    from ._receipts import receipts
    from ._reference import Reference
    from .credentials import AWSCredentials, BearerToken, Credentials, UsernamePassword
    from .errors import MLSecretsError
    from .events import Event
    from .grant import Fate, Grant, Outcome, Terms
    from .leaks import refuse_secrets
    from .receipt import Receipt
    from .report import EndedGrant, ExitReport
    from .view import ScopeView

#: Where each public name lives; imported when first used, so that ``import mlsecrets``
#: costs nothing in programs that end up not leasing.
_HOMES = {
    "AWSCredentials": "credentials",
    "BearerToken": "credentials",
    "Bundle": "_bundle",
    "Credentials": "credentials",
    "EndedGrant": "report",
    "Event": "events",
    "ExitReport": "report",
    "Fate": "grant",
    "Grant": "grant",
    "Lease": "_lease",
    "MLSecretsError": "errors",
    "Outcome": "grant",
    "Receipt": "receipt",
    "Reference": "_reference",
    "ScopeView": "view",
    "Terms": "grant",
    "UsernamePassword": "credentials",
    "configure": "_current",
    "hand_over": "_block",
    "hold": "_block",
    "join": "_block",
    "lease": "_block",
    "open_scopes": "_block",
    "receipts": "_receipts",
    "refuse_secrets": "leaks",
    "release": "_block",
}

__all__ = [
    "AWSCredentials",
    "BearerToken",
    "Bundle",
    "Credentials",
    "EndedGrant",
    "Event",
    "ExitReport",
    "Fate",
    "Grant",
    "Lease",
    "MLSecretsError",
    "Outcome",
    "Receipt",
    "Reference",
    "ScopeView",
    "Terms",
    "UsernamePassword",
    "configure",
    "hand_over",
    "hold",
    "join",
    "lease",
    "open_scopes",
    "receipts",
    "refuse_secrets",
    "release",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    from ._forks import importing

    with importing():  # a child forked in the middle could never import it
        value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
