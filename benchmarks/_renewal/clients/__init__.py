"""One file for each client: how a program reads a credential through it.

A client is made for one run of one experiment. Its reader shows the id of the
credential that a request would be signed with at that moment, or raises what the
client's own users would get.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from mlsecrets.testing import FakeClock

from ..issuer import CountingIssuer


class Client(Protocol):
    """What the experiments need of a client.

    Attributes:
        due: seconds before the end of an hour at which it surely refreshes.
        pace: real seconds between reads, for a client whose clock cannot be stopped.
        background: whether it acts between reads, so that time must pass in small
            steps.
        refusal: how a server refuses it: ``token`` (401), ``claims`` (401 with a
            claims challenge) or ``store`` (S3's ExpiredToken).
    """

    due: float
    pace: float
    background: bool
    refusal: str

    def read(self) -> str:
        """The id of the credential that a request would be signed with now."""

    def moved(self) -> None:
        """Told after time was moved, for a client whose clock cannot be."""

    def requester(self, address: str) -> Callable[[], bool]:
        """Sends one request by the client's own path; whether it was answered.

        Args:
            address: where `_renewal.refusing.RefusingServer` listens.
        """


Maker = Callable[[CountingIssuer, FakeClock], AbstractContextManager[Client]]

#: Client -> distribution (for its version), module and name of the maker.
CLIENTS = {
    "botocore": ("botocore", "aws", "botocore_client"),
    "google-auth": ("google-auth", "google_auth", "blocking"),
    "google-auth, non-blocking": ("google-auth", "google_auth", "non_blocking"),
    "azure-core": ("azure-core", "azure", "azure_core"),
    "azure-core, claims": ("azure-core", "azure", "azure_core_claims"),
    "obstore": ("obstore", "object_store", "obstore_client"),
    "hvac and a loop": ("hvac", "vault_loop", "hvac_loop"),
    "mlsecrets": ("mlsecrets", "ours", "mlsecrets_requests"),
    "mlsecrets, boto3": ("mlsecrets", "ours", "mlsecrets_boto3"),
    "mlsecrets, waiting": ("mlsecrets", "ours", "mlsecrets_waiting"),
}


def maker(client: str) -> Maker:
    """What makes a client."""
    _, module, name = CLIENTS[client]
    found: Maker = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    return found
