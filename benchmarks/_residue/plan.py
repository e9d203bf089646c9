"""What is run, and which secrets each run must have had."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from .secrets import (
    BEARER,
    IDENTITY,
    KEY,
    LOGIN,
    SECRET_ID,
    SESSION,
    STORED,
)

#: What a peer finds in its environment.
TOKEN, IDENTITY_FILE = "token", "identity file"

_S3_LEASE = (KEY, SESSION, IDENTITY, LOGIN, SECRET_ID)
_TOKEN_LEASE = (BEARER, LOGIN, SECRET_ID)
_STORED_LEASE = (STORED, LOGIN, SECRET_ID)
_CHAIN = (KEY, SESSION, IDENTITY)


@dataclass(frozen=True)
class Client:
    """A row of the table.

    Attributes:
        title: in the table.
        where: module and function below `clients`.
        distribution: whose version is shown.
        kinds: the secrets that it must have had; else the run counts for nothing.
        given: variables that it inherits, to what they hold.
        ours: whether it is leased.
    """

    title: str
    where: str
    distribution: str
    kinds: tuple[str, ...]
    given: Mapping[str, str]
    ours: bool = False

    @property
    def mlflow(self) -> bool:
        """Whether it needs that server: bearers are for it."""
        return BEARER in self.kinds

    def function(self) -> Callable[..., Any]:
        """What runs it."""
        module, _, name = self.where.partition(".")
        found: Any = importlib.import_module(f"{__package__}.clients.{module}")
        function: Callable[..., Any] = getattr(found, name)
        return function


def _leased(
    title: str, function: str, distribution: str, kinds: tuple[str, ...]
) -> Client:
    where = f"ours.{function}"
    return Client(f"leased: {title}", where, distribution, kinds, {}, ours=True)


_ROLE = {"AWS_WEB_IDENTITY_TOKEN_FILE": IDENTITY_FILE}

CLIENTS: Mapping[str, Client] = {
    "hvac": Client("hvac, KV", "peers.hvac", "hvac", (STORED, LOGIN, SECRET_ID), {}),
    "boto3": Client("boto3, assumed role", "peers.boto3", "boto3", _CHAIN, _ROLE),
    "s3fs": Client("s3fs, assumed role", "peers.s3fs", "s3fs", _CHAIN, _ROLE),
    "obstore": Client(
        "obstore, assumed role", "peers.obstore", "obstore", _CHAIN, _ROLE
    ),
    "requests": Client(
        "requests, inherited variable",
        "peers.requests_environment",
        "requests",
        (BEARER,),
        {"API_TOKEN": TOKEN},
    ),
    "mlflow": Client(
        "MLflow, inherited variable",
        "peers.mlflow",
        "mlflow",
        (BEARER,),
        {"MLFLOW_TRACKING_TOKEN": TOKEN},
    ),
    "leased-http": _leased("requests, injected late", "http", "requests", _TOKEN_LEASE),
    "leased-hvac": _leased("hvac, injected late", "hvac", "hvac", _STORED_LEASE),
    "leased-mlflow": _leased("MLflow, injected late", "mlflow", "mlflow", _TOKEN_LEASE),
    "leased-boto3": _leased("boto3, signed late", "boto3", "boto3", _S3_LEASE),
    "leased-s3fs": _leased("s3fs, signed late", "s3fs", "s3fs", _S3_LEASE),
    "leased-obstore": _leased("obstore, revealed", "obstore", "obstore", _S3_LEASE),
    "leased-environment": _leased(
        "boto3, environment, revealed", "environment", "boto3", _S3_LEASE
    ),
}


def installed() -> tuple[str, ...]:
    """The clients that are here: obstore has left Python 3.10."""
    found = []
    for name, client in CLIENTS.items():
        try:
            version(client.distribution)
        except PackageNotFoundError:
            continue
        found.append(name)
    return tuple(found)
