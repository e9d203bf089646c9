"""A copy of a program's credentials, in use outside of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

import requests
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from mlsecrets.devstack import DevStack

#: What to ask for with each scope's credentials.
LISTED = {
    "train-data": "datasets?prefix=digits%2F",
    "checkpoints": "checkpoints?prefix=",
}
_TIMEOUT = 10.0  # seconds


@dataclass
class Stolen:
    """One generation.

    Attributes:
        scope: what it is for.
        generation: which.
        lease_id: the issuer's name for it.
        expires_at: epoch seconds.
        values: what a thief would have.
        refused_at: the first refusal; None while it is taken.
        answer: in what word.
    """

    scope: str
    generation: int
    lease_id: str
    expires_at: float
    values: Mapping[str, str] = field(repr=False)
    refused_at: float | None = None
    answer: str = ""


class Thief:
    """Tries what was stolen, until all of it is refused.

    Args:
        stack: where it is tried.
        run: the name of the run, under which its checkpoints are.
    """

    def __init__(self, stack: DevStack, run: str) -> None:
        assert stack.mlflow is not None
        self._store, self._region = stack.store.address, stack.store.region
        self._mlflow, self._run = stack.mlflow.address, run
        self._session = requests.Session()
        self._session.trust_env = False
        self.stolen: dict[str, Stolen] = {}

    def close(self) -> None:
        """Hang up."""
        self._session.close()

    def take(self, notes: Iterable[Mapping[str, Any]]) -> None:
        """What the program gave away so far."""
        for note in notes:
            if note["note"] == "caught" and note["lease_id"] not in self.stolen:
                names = ("scope", "generation", "lease_id", "expires_at", "values")
                self.stolen[note["lease_id"]] = Stolen(*map(note.__getitem__, names))

    def latest(self) -> list[Stolen]:
        """The last generation of each scope and owner."""
        last = {stolen.scope: stolen for stolen in self.stolen.values()}
        return list(last.values())

    def try_all(self) -> bool:
        """Try what has not been refused; whether something still works."""
        for stolen in self.stolen.values():
            if stolen.refused_at is None:
                answer = self.answer(stolen)
                if answer:
                    stolen.refused_at, stolen.answer = time.time(), answer
        return any(stolen.refused_at is None for stolen in self.stolen.values())

    def answer(self, stolen: Stolen) -> str:
        """In what word it is refused; empty if it works.

        A server that is unwell has refused nothing.
        """
        if stolen.scope == "mlflow":
            status, body = self._ask_mlflow(stolen.values["token"])
        else:
            status, body = self._ask_store(stolen)
        if status not in {401, 403}:
            return ""
        if stolen.scope == "mlflow":
            return f"HTTP {status}"
        return str(ElementTree.fromstring(body).findtext(".//{*}Code"))

    def _ask_mlflow(self, token: str) -> tuple[int, bytes]:
        answer = self._session.get(
            # Anybody who is somebody may search, and finds what is theirs.
            f"{self._mlflow}/api/2.0/mlflow/experiments/search",
            params={"max_results": "1"},
            headers={"Authorization": f"Bearer {token}"},
            timeout=_TIMEOUT,
        )
        return answer.status_code, answer.content

    def _ask_store(self, stolen: Stolen) -> tuple[int, bytes]:
        bucket, _, query = LISTED[stolen.scope].partition("?")
        if stolen.scope == "checkpoints":
            query += f"{self._run}%2F"
        request = AWSRequest("GET", f"{self._store}/{bucket}?list-type=2&{query}")
        names = ("access_key_id", "secret_access_key", "session_token")
        held = Credentials(*map(stolen.values.__getitem__, names))
        S3SigV4Auth(held, "s3", self._region).add_auth(request)
        prepared = request.prepare()
        answer = self._session.get(
            prepared.url, headers=dict(prepared.headers), timeout=_TIMEOUT
        )
        return answer.status_code, answer.content
