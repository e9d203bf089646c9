"""Someone who ends credentials before their time, at the servers themselves."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mlsecrets._schedule import rejection_pause
from mlsecrets.devstack import _iam
from mlsecrets.devstack import _revoker_policy as rules

from .records import Revocation, json_lines, now
from .scene import TTL, Scene

#: Events after which a lease has what it needs, and those after which it may not.
WELL = {"issued", "renewed", "replaced"}
UNWELL = {"renewal_failed", "throttled", "doomed", "expired", "rejected"}
#: What can be ended, the lease whose readers notice, and the leases that must be well.
KINDS = {
    "session": ("train-data", ("train-data", "login:bao")),
    "user": ("queue", ("queue", "login:bao")),
    "login": ("queue", ("queue", "login:bao")),
    "signing-key": ("mlflow", ("mlflow", "login:bao")),
}
#: Seconds from one to the next, about.
EVERY = 20.0
#: Seconds for which the same lease is left alone, at least.
REST = 30.0


class Administrator:
    """Ends something now and then; only what its lease can replace at that moment.

    Args:
        scene: the servers.
        journal: the owner's, to know what is in use.
        seed: of the choices.
        every: seconds from one to the next, at most `EVERY`.

    Attributes:
        done: what was ended.
    """

    def __init__(
        self, scene: Scene, journal: Path, seed: int, every: float = EVERY
    ) -> None:
        self.done: list[Revocation] = []
        self._scene = scene
        self._journal = journal
        self._random = random.Random(seed)
        self._admin = scene.stack.openbao.admin()
        self._every = min(every, EVERY)
        self._next = now() + self._random.uniform(0.2, 1.0) * self._every
        self._rested: dict[str, float] = {}

    def act(self) -> None:
        """End something, if it is time to."""
        if now() < self._next:
            return
        events = list(json_lines(self._journal))
        kinds = [kind for kind in KINDS if self._possible(kind, events)]
        if not kinds:
            return
        kind = self._random.choice(kinds)
        scope = KINDS[kind][0]
        self.done.append(Revocation(scope, kind, now()))
        getattr(self, "_end_" + kind.replace("-", "_"))(events)
        # A lease believes a server that refuses what should live after growing pauses
        # only (`_schedule.rejection_pause`): with more than one a pause, reads fail.
        pause = 2.0 * rejection_pause(self._times(scope))
        self._rested[scope] = now() + max(REST, pause)
        self._next = now() + self._random.uniform(0.5, 1.5) * self._every
        # Noticed and mended before anything else goes wrong.
        time.sleep(1.5)

    def _possible(self, kind: str, events: list[dict[str, Any]]) -> bool:
        scope, needed = KINDS[kind]
        if now() < self._rested.get(scope, 0.0):
            return False
        return all(_well(lease, events) for lease in needed)

    def _times(self, scope: str) -> int:
        return sum(done.scope == scope for done in self.done)

    def _end_session(self, events: Iterable[dict[str, Any]]) -> None:
        """The store denies it everything, at once."""
        name = _lease_id("train-data", events)
        arn = f"arn:aws:sts::assumed-role/{_iam.READER}/{name}"
        until = int(time.time()) + TTL + 1
        # By the revoker's hand, since only one may write a bucket's policy at a time.
        self._scene.revoker._rewrite(
            lambda policy, bucket: rules.deny(policy, bucket, arn, until)
        )

    def _end_user(self, events: Iterable[dict[str, Any]]) -> None:
        """OpenBao revokes its lease, and so removes it from the registry."""
        body = {"lease_id": _lease_id("queue", events), "sync": True}
        assert self._admin.request("PUT", "sys/leases/revoke", body).ok

    def _end_login(self, events: Iterable[dict[str, Any]]) -> None:
        """OpenBao revokes the process's token, and what was leased under it."""
        body = {"accessor": _lease_id("login:bao", events)}
        path = "auth/token/revoke-accessor"
        assert self._admin.request("POST", path, body).ok

    def _end_signing_key(self, events: Iterable[dict[str, Any]]) -> None:
        """JWTs that were signed with it are not verified any more."""
        path = "identity/oidc/key/mlflow/rotate"
        assert self._admin.request("POST", path, {"verification_ttl": 0}).ok
        self._scene.resource.forget_keys()


def _well(scope: str, events: Iterable[dict[str, Any]]) -> bool:
    last = None
    for event in events:
        if event["scope"] == scope and event["event"] in WELL | UNWELL:
            last = event["event"]
    return last in WELL


def _lease_id(scope: str, events: Iterable[dict[str, Any]]) -> str:
    last = ""
    for event in events:
        if event["scope"] == scope and event["event"] in WELL:
            last = event["lease_id"]
    return last
