"""Who signs MLflow's requests: the lease that may be used where they go."""

from __future__ import annotations

import atexit
import logging
import os
import threading
from typing import TYPE_CHECKING

import mlflow
from mlflow.tracking.request_auth.abstract_request_auth_provider import (
    RequestAuthProvider,
)
from requests.auth import AuthBase

from mlsecrets import Lease, hold, open_scopes
from mlsecrets.errors import OwnerGone
from mlsecrets.http import LeaseAuth

from ._leaks import refuse_leak
from ._sessions import READER, keep_late

if TYPE_CHECKING:
    from requests import PreparedRequest

_log = logging.getLogger(__name__)

#: Its value of ``MLFLOW_TRACKING_AUTH``.
NAME = "mlsecrets"
#: Names the scope to use, where the choice by address is not the right one.
SCOPE_VARIABLE = "MLSECRETS_MLFLOW_SCOPE"
#: The scope to lease where nothing says which.
DEFAULT_SCOPE = "mlflow"


class LeaseRequestAuthProvider(RequestAuthProvider):
    """What MLflow asks, before each request, to whom ``MLFLOW_TRACKING_AUTH`` is set.

    The lease, first match wins:

    1. the scope named by ``MLSECRETS_MLFLOW_SCOPE``,
    2. an open lease whose access says ``use`` of the server the request goes to,
    3. the scope ``mlflow``.

    One that is not open yet is opened and held to the end of the process. If it cannot
    be had the request fails; it is never sent without credentials. MLflow makes one of
    these in each process that sends anything, wanted or not; making one does nothing.
    """

    def get_name(self) -> str:
        """What to put into ``MLFLOW_TRACKING_AUTH``."""
        return NAME

    def get_auth(self) -> AuthBase:
        """Signs the request, at the moment it is sent.

        Raises:
            MLSecretsError: there is no lease for the tracking server, and none to get.
        """
        uri = mlflow.get_tracking_uri()
        if uri.startswith(("http://", "https://")):
            # Here MLflow passes our errors on as they are; later it wraps them.
            lease_for(uri)
        keep_late()
        return TrackingAuth()


class TrackingAuth(AuthBase):
    """Signs each request by where it goes: a model registry may lie elsewhere."""

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Sign a request (called by `requests`).

        Raises:
            SecretLeak: a live secret would be recorded with it.
            NotLeased: the lease may not be used there.
            MLSecretsError: there is no lease for it, and none to get.
        """
        refuse_leak(request)
        held = lease_for(request.url or "")
        return LeaseAuth(held.reference, READER)(request)

    def __repr__(self) -> str:
        return "<TrackingAuth>"


def scope_for(url: str) -> str:
    """The scope whose lease signs requests to an address."""
    named = os.environ.get(SCOPE_VARIABLE)
    if named:
        return named
    usable = (view.name for view in open_scopes() if view.covers_origin(url))
    return next(usable, DEFAULT_SCOPE)


def lease_for(url: str) -> Lease:
    """The shared lease that signs requests to an address.

    Raises:
        MLSecretsError: it is not open and cannot be had.
    """
    held = hold(scope_for(url))
    _end_run_at_exit()
    return held


_once = threading.Lock()
_waiting_for_exit = False


def _end_run_at_exit() -> None:
    # Called once credentials are there: handlers run last one first, and what wipes
    # and revokes credentials at exit was registered when the first of them came.
    global _waiting_for_exit  # noqa: PLW0603  as global as the handlers it adds to
    with _once:
        if not _waiting_for_exit:
            _waiting_for_exit = True
            atexit.register(_end_run)


def _end_run() -> None:
    # MLflow ends the run at exit too, but its handler is older than our leases and so
    # comes after them: without credentials, and the run would stay RUNNING for ever.
    if mlflow.active_run() is None:
        return
    try:
        if open_scopes():
            mlflow.end_run()
    except OwnerGone as gone:
        _log.warning("MLflow did not get the end of the run: %s", gone)


def _forget() -> None:
    global _once  # noqa: PLW0603  in a forked child it may be held for ever
    _once = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
