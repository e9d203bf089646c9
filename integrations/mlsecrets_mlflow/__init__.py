"""MLflow on leased credentials.

::

    import mlflow
    import mlsecrets_mlflow

    with mlsecrets_mlflow.tracking():       # leases "mlflow", at the server it is for
        with mlflow.start_run():
            mlflow.log_metric("loss", 0.25)

MLflow itself finds two things here by entry point. ``MLFLOW_TRACKING_AUTH=mlsecrets``
has every request to the tracking server signed by a lease, also in programs that we
have no line in. Artifact locations such as ``leases3://bucket/run-7`` are read and
written on leases.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._artifacts import LeaseS3ArtifactRepository
    from ._provider import LeaseRequestAuthProvider
    from ._receipts import LeaseRunContext
    from ._tracking import flush, tracking

#: Imported when first used. MLflow loads the entry points one by one and goes on
#: without those whose import fails, so the provider must not need what only artifacts
#: need: without a provider, MLflow sends its requests without any credential.
_HOMES = {
    "LeaseRequestAuthProvider": "_provider",
    "LeaseRunContext": "_receipts",
    "LeaseS3ArtifactRepository": "_artifacts",
    "flush": "_tracking",
    "tracking": "_tracking",
}

__all__ = [
    "LeaseRequestAuthProvider",
    "LeaseRunContext",
    "LeaseS3ArtifactRepository",
    "flush",
    "tracking",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
