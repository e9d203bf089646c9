"""MLflow's own HTTP sessions, made to send late.

MLflow keeps a few sessions and asks one function for them. Put in its place, ours gives
their twins: the same adapters with their retries and keep-alive, on connections that
write the token into each request as that is sent. Requests without a lease's
placeholder go through them unchanged.

Should another version of MLflow not have that function, its sessions stay what they
are. Then `mlsecrets.http.LeaseAuth` finds itself on an ordinary session and reveals the
token to it, which the lease's exposure says.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import requests
from mlflow.utils import request_utils

from mlsecrets.http import LateSession

#: Shown in the lease's exposure.
READER = "mlflow"
#: Not public, but where MLflow gets all its sessions from (request_utils.py at 3.17).
_SOURCE = "_get_request_session"
_THEIRS = "_before_mlsecrets"

_lock = threading.Lock()
_users = 0
_twins: WeakKeyDictionary[requests.Session, LateSession] = WeakKeyDictionary()


@contextmanager
def late_sessions() -> Iterator[None]:
    """A block in which MLflow's requests are sent late; they are as before after it."""
    _enter()
    try:
        yield
    finally:
        _leave()


def keep_late() -> None:
    """From now on MLflow's requests are sent late; nothing to do inside a block."""
    if not _users:
        _enter()


def _enter() -> None:
    global _users  # noqa: PLW0603  as global as what it counts the users of
    with _lock:
        _users += 1
        theirs = getattr(request_utils, _SOURCE, None)
        if callable(theirs) and not hasattr(theirs, _THEIRS):
            setattr(request_utils, _SOURCE, _late(theirs))


def _leave() -> None:
    global _users  # noqa: PLW0603
    with _lock:
        _users -= 1
        theirs = getattr(getattr(request_utils, _SOURCE, None), _THEIRS, None)
        if not _users and theirs is not None:
            setattr(request_utils, _SOURCE, theirs)
            _twins.clear()


def _late(theirs: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(theirs)
    def session(*args: Any, **options: Any) -> Any:
        made = theirs(*args, **options)
        return _twin(made) if isinstance(made, requests.Session) else made

    setattr(session, _THEIRS, theirs)
    return session


def _twin(session: requests.Session) -> requests.Session:
    if session not in _twins:
        # Two threads may both make one; the other is dropped after its request.
        _twins[session] = LateSession.like(session, READER)
    return _twins[session]


def _forget() -> None:
    """In a forked child: the lock may be held for ever, and the twins are the parent's.

    The functions stay as they are, and make twins of the child's own.
    """
    global _lock, _twins  # noqa: PLW0603
    _lock = threading.Lock()
    _twins = WeakKeyDictionary()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
