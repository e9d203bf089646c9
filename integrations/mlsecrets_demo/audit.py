"""What the engines themselves say was asked of them, beside what the journal says.

OpenBao writes an audit log, the store counts its requests, the revoker logs whom it
ended. Each is read for one stretch of time: from `Engines.mark` to `Engines.since`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import journal

if TYPE_CHECKING:
    from mlsecrets.devstack import DevStack

#: What jobs ask OpenBao for; anything else in its log is the engines' own traffic (the
#: store and MLflow fetch the keys that JWTs are signed with).
LOGIN = "auth/approle/login"
RENEW_LOGIN = "auth/token/renew-self"
REVOKE_LOGIN = "auth/token/revoke-self"
STORE_JWT = "identity/oidc/token/s3"
MLFLOW_JWT = "identity/oidc/token/mlflow"
#: How the store counts AssumeRoleWithWebIdentity and GetCallerIdentity (SeaweedFS
#: 4.48). Only the revoker asks the second.
ASSUME, WHO_AM_I = "STS-Fallback", "IAM-Unified"

StoreCounts = Mapping[tuple[str, str, str], int]


@dataclass(frozen=True)
class Asked:
    """What was asked of the engines in one stretch of time.

    Attributes:
        paths: requests to OpenBao, by path.
        refused: those among them that it answered with an error.
        clients: how many different logins made them (accessors, as the log has them).
        assumed: calls of the store's STS that ask for a session.
        identified: those that ask whose a session is.
        ended: sessions that the revoker ended.
    """

    paths: Counter[str]
    refused: int
    clients: int
    assumed: int
    identified: int
    ended: int


@dataclass(frozen=True)
class Mark:
    """An instant, as places in the engines' logs."""

    audit_bytes: int
    revoker_bytes: int
    store: StoreCounts


class Engines:
    """The logs and counters of a running stack."""

    def __init__(self, stack: DevStack) -> None:
        self._store = stack.store
        self._audit = stack.openbao.audit_log
        self._revoker = stack.logs / "revoker.log"

    def mark(self) -> Mark:
        """Now."""
        return Mark(
            self._audit.stat().st_size,
            self._revoker.stat().st_size,
            self._store.metrics(),
        )

    def since(self, mark: Mark) -> Asked:
        """What was asked since then."""
        entries = parse(_from(self._audit, mark.audit_bytes))
        revoker = _from(self._revoker, mark.revoker_bytes).splitlines()
        store = difference(self._store.metrics(), mark.store)
        return Asked(
            paths=requested(entries),
            refused=refused(entries),
            clients=len(clients(entries)),
            assumed=_of_kind(store, ASSUME),
            identified=_of_kind(store, WHO_AM_I),
            ended=sum("ended arn:" in line for line in revoker),
        )


def _from(path: Path, start: int) -> str:
    with path.open("rb") as file:
        file.seek(start)
        return file.read().decode(errors="replace")


def parse(text: str) -> list[dict[str, Any]]:
    """The entries of an audit log; its last line may still be in the making."""
    whole, _, _ = text.rpartition("\n")
    return [json.loads(line) for line in whole.splitlines() if line]


def requested(entries: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """How often each path was asked for."""
    return Counter(
        entry["request"]["path"] for entry in entries if entry["type"] == "request"
    )


def refused(entries: Iterable[Mapping[str, Any]]) -> int:
    """How many requests were answered with an error."""
    return sum(entry["type"] == "response" and "error" in entry for entry in entries)


def clients(entries: Iterable[Mapping[str, Any]]) -> set[str]:
    """The logins that asked for credentials: their accessors, which are hashed."""
    return {
        str(entry["auth"]["accessor"])
        for entry in entries
        if entry["type"] == "request"
        and entry["request"]["path"] in {STORE_JWT, MLFLOW_JWT}
        and entry.get("auth", {}).get("accessor")
    }


def difference(after: StoreCounts, before: StoreCounts) -> dict[Any, int]:
    """How often each thing was counted in between."""
    gained = {key: count - before.get(key, 0) for key, count in after.items()}
    return {key: count for key, count in gained.items() if count}


def _of_kind(store: StoreCounts, kind: str) -> int:
    return sum(count for (found, _, _), count in store.items() if found == kind)


@dataclass(frozen=True)
class Compared:
    """One kind of call, counted by the process that made it and by who got it.

    Attributes:
        call: what was asked for.
        journal: how often, says the journal.
        engine: how often, says the engine's own log.
        source: which log.
    """

    call: str
    journal: int
    engine: int
    source: str


def compare(lines: Sequence[journal.Line], asked: Asked) -> list[Compared]:
    """The journal and the engines' logs, side by side."""
    happened = journal.counts(lines)

    def count(*events: str, scopes: Sequence[str]) -> int:
        return sum(
            happened[scope][event]
            for scope in scopes
            if scope in happened
            for event in events
        )

    store = ("train-data", "checkpoints")
    login = ("login:bao",)
    sessions = count("issued", "replaced", scopes=store)
    revoked = count("revoked", scopes=store)
    # A session that is over by the job's count, but perhaps not by the store's, is
    # presented too; the journal has the store's answer as the reason.
    presented = revoked + sum(
        line["scope"] in store and line["event"] == "expired" and "reason" in line
        for line in lines
    )
    new = ("issued", "replaced")
    audit = "OpenBao audit log"
    paths = asked.paths
    return [
        Compared("log in", count(*new, scopes=login), paths[LOGIN], audit),
        Compared(
            "renew the login", count("renewed", scopes=login), paths[RENEW_LOGIN], audit
        ),
        Compared(
            "revoke the login",
            count("revoked", scopes=login),
            paths[REVOKE_LOGIN],
            audit,
        ),
        Compared("JWT for the store", sessions, paths[STORE_JWT], audit),
        Compared(
            "JWT for MLflow", count(*new, scopes=("mlflow",)), paths[MLFLOW_JWT], audit
        ),
        Compared("STS session", sessions, asked.assumed, "store's metrics"),
        Compared("end an STS session", revoked, asked.ended, "revoker's log"),
        Compared("revoker asks whose", presented, asked.identified, "store's metrics"),
    ]
