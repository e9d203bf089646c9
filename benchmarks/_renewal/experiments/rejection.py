"""A server that refuses a credential although an hour of its life is left."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..clients import Maker
from ..refusing import RefusingServer
from ..trial import CROWD, Found, Trial, begin, crowd

HOUR = 3600.0
REQUESTS = 100
#: Real seconds that the issuer takes, so that a crowd's calls overlap.
LATENCY = 0.1


def once(make: Maker) -> Found:
    """One request is refused; would the next be, too?"""
    with _accepted(make) as (trial, server, send):
        before = trial.issuer.calls
        server.refuses = _first(trial)
        return {
            "answered": send(),
            "next": send(),
            "calls": trial.issuer.calls - before,
        }


def burst(make: Maker) -> Found:
    """32 requests are refused at once."""
    with _accepted(make) as (trial, server, send):
        before = trial.issuer.calls
        trial.issuer.latency = LATENCY
        server.refuses = _first(trial)
        server.together = threading.Barrier(CROWD)
        came, _ = crowd(lambda: "answered" if send() else "refused", lambda: None)
        return {"answered": came["answered"], "calls": trial.issuer.calls - before}


def for_good(make: Maker) -> Found:
    """100 requests are refused, whatever they are signed with."""
    with _accepted(make) as (trial, server, send):
        before = trial.issuer.calls
        server.refuses = lambda identity: True
        answered = sum(send() for _ in range(REQUESTS))
        return {"answered": answered, "calls": trial.issuer.calls - before}


@contextmanager
def _accepted(
    make: Maker,
) -> Iterator[tuple[Trial, RefusingServer, Callable[[], bool]]]:
    """A client whose first credential has been accepted once."""
    with (
        begin(make, HOUR, ticking=True) as trial,
        RefusingServer(trial.client.refusal) as server,
    ):
        send = trial.client.requester(server.address)
        if not send():
            raise RuntimeError("a credential was refused that should not be")
        yield trial, server, send


def _first(trial: Trial) -> Callable[[str], bool]:
    """Refuses what has been minted until now."""
    refused = frozenset(trial.issuer.minted)
    return lambda identity: identity in refused
