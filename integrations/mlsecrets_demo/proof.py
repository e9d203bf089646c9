"""Trying the old credentials again, until they are refused.

The demo has them from the training process itself (`handover`). A trial first has to
succeed, or its later refusal would show nothing.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from mlsecrets.clock import SYSTEM_CLOCK

from .plan import CHECKPOINTS, DATA, OWN_TOKEN

#: Seconds between two trials.
EVERY = 0.1
#: Seconds past its expiry at which to give up waiting for a credential's refusal.
GRACE = 15.0
_TIMEOUT = 10.0  # seconds

ACCEPTED = "accepted"
#: What SeaweedFS says of a session that its policy denies, and of one that is over.
DENIED = "AccessDenied"
EXPIRED = "InvalidAccessKeyId"

#: What MLflow and OpenBao answer to credentials that they refuse.
REFUSALS = (401, 403)
UNCLEAR = "unclear: HTTP"

#: One trial: `ACCEPTED`, or in what words it was refused.
Trial = Callable[[], str]


@dataclass(frozen=True)
class Found:
    """What became of one old credential; seconds count from when its block was left.

    Attributes:
        scope: what it was for.
        generation: which of its credentials.
        where: who was asked.
        before: the answer while the block was open.
        refused_after: first refusal; None if it never came.
        answer: in what words.
        how: ``revoked`` or ``expired``.
        seconds_left: how long it would still have lived when it was first refused.
        later: what is said of it past its expiry, if that differs.
    """

    scope: str
    generation: int
    where: str
    before: str
    refused_after: float | None = None
    answer: str = ACCEPTED
    how: str = ""
    seconds_left: float = 0.0
    later: str = ""


@dataclass(frozen=True)
class Taken:
    """One credential that the training process handed over."""

    scope: str
    generation: int
    where: str
    expires_at: float
    trial: Trial
    before: str = ""

    def tried(self) -> Taken:
        """The same, with the answer that it gets now."""
        return replace(self, before=self.trial())


def taken(
    message: Mapping[str, Any],
    secrets: list[str],
    *,
    store: str,
    openbao: str,
    mlflow: str,
    run_id: str,
) -> Taken:
    """A credential as it came through the pipe, with the way to try it."""
    values = {**message["public"], **dict(zip(message["fields"], secrets, strict=True))}
    scope, until = message["scope"], message["expires_at"]
    name = (scope, message["generation"])
    if message["kind"] == "aws":
        return Taken(*name, "store", until, _s3_trial(store, scope, run_id, values))
    token = values["token"]
    if scope == OWN_TOKEN:
        path, headers = "/v1/auth/token/lookup-self", {"X-Vault-Token": token}
        status, content = _get(openbao, path, headers)
        # The lease's own end means nothing here: ask how long the token itself lives.
        left = json.loads(content)["data"]["ttl"] if status == 200 else 0
        trial = _http_trial(openbao, path, headers)
        return Taken(*name, "OpenBao", SYSTEM_CLOCK.wall() + left, trial)
    path = "/api/2.0/mlflow/experiments/get-by-name?experiment_name=digits"
    trial = _http_trial(mlflow, path, {"Authorization": f"Bearer {token}"})
    return Taken(*name, "MLflow", until, trial)


def _s3_trial(store: str, scope: str, run_id: str, values: Mapping[str, str]) -> Trial:
    client = boto3.client(
        "s3",
        endpoint_url=store,
        region_name="us-east-1",
        aws_access_key_id=values["access_key_id"],
        aws_secret_access_key=values["secret_access_key"],
        aws_session_token=values["session_token"],
        config=Config(
            signature_version="s3v4",
            retries={"total_max_attempts": 1},
            connect_timeout=_TIMEOUT,
            read_timeout=_TIMEOUT,
            s3={"addressing_style": "path"},
        ),
    )
    bucket, _, prefix = DATA.partition("/")
    if scope == "checkpoints":
        bucket, prefix = CHECKPOINTS, run_id

    def trial() -> str:
        try:
            client.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/", MaxKeys=1)
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return ACCEPTED

    return trial


def _http_trial(address: str, path: str, headers: Mapping[str, str]) -> Trial:
    def trial() -> str:
        status, _ = _get(address, path, headers)
        if status in REFUSALS:
            return f"HTTP {status}"
        # A server that is unwell has not refused anything.
        return ACCEPTED if status == 200 else f"{UNCLEAR} {status}"

    return trial


def _get(address: str, path: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
    connection = HTTPConnection(urlsplit(address).netloc, timeout=_TIMEOUT)
    try:
        connection.request("GET", path, headers=dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def watch(held: Taken, left_at: float, stop: threading.Event) -> Found:
    """Try again and again, until refused; of a session also until it has expired.

    Args:
        held: what to try.
        left_at: epoch seconds at which its block was left.
        stop: ends it early.
    """
    found = Found(held.scope, held.generation, held.where, held.before)
    while SYSTEM_CLOCK.wall() < held.expires_at + GRACE and not stop.wait(EVERY):
        answer, now = held.trial(), SYSTEM_CLOCK.wall()
        if answer == ACCEPTED or answer.startswith(UNCLEAR):
            continue
        if found.refused_after is None:
            found = replace(
                found,
                refused_after=round(now - left_at, 2),
                answer=answer,
                how=_how(held, answer, now),
                seconds_left=round(max(held.expires_at - now, 0.0), 1),
            )
        if answer != DENIED:
            later = answer if answer != found.answer else ""
            return replace(found, later=later)
    return found


def _how(held: Taken, answer: str, now: float) -> str:
    """Revoked or expired: the store says which, elsewhere it shows by the time."""
    if held.where == "store":
        return {DENIED: "revoked", EXPIRED: "expired"}.get(answer, answer)
    return "revoked" if now < held.expires_at else "expired"
