"""The secrets of one run, learned from what goes over the wire."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

#: What the secrets of these servers are called in the table.
KEY = "secret key"
SESSION = "session token"
BEARER = "bearer"
STORED = "stored value"
LOGIN = "login token"
SECRET_ID = "secret id"  # noqa: S105  its name
IDENTITY = "web identity"
#: No secret: what is planted in a client, so that it must be found.
PLANTED = "planted"

#: Constant heads: of OpenBao's and Vault's tokens, and of a JWT, whose first segment
#: says no more than which key signed it. They occur in other, innocent, places.
_HEADS = re.compile(rb"(s\.|hvs\.|hvb\.|eyJ[\w-]*\.)")
_STS = re.compile(rb"<(SecretAccessKey|SessionToken)>([^<]+)</")


@dataclass(frozen=True)
class Secret:
    """One value, without its constant head.

    Attributes:
        kind: what it is, a constant of this module.
        value: its bytes.
    """

    kind: str
    value: bytes

    @classmethod
    def of(cls, kind: str, value: str | bytes) -> Secret:
        """Cut the head off."""
        whole = value.encode() if isinstance(value, str) else value
        head = _HEADS.match(whole)
        return cls(kind, whole[head.end() :] if head else whole)

    def __repr__(self) -> str:
        return f"<Secret {self.kind}, {len(self.value)} bytes>"


class Seen:
    """Every secret that a run's client was given, or sent, of every generation."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._secrets: dict[Secret, None] = {}

    def add(self, kind: str, value: str | bytes) -> None:
        """Remember one."""
        with self._lock:
            self._secrets[Secret.of(kind, value)] = None

    def all(self) -> list[Secret]:
        """In the order in which they appeared."""
        with self._lock:
            return list(self._secrets)

    def hear(self, path: str, request: bytes, answer: bytes) -> None:
        """Learn what an exchange carried, by where it was sent."""
        for kind, value in (*_from_bao(path, request, answer), *_from_sts(answer)):
            self.add(kind, value)


def _from_bao(
    path: str, request: bytes, answer: bytes
) -> Iterator[tuple[str, str | bytes]]:
    if not path.startswith("/v1/"):
        return
    asked, told = _json(request), _json(answer)
    if "secret_id" in asked:
        yield SECRET_ID, asked["secret_id"]
    login = told.get("auth") or {}
    if login.get("client_token"):
        yield LOGIN, login["client_token"]
    data = told.get("data") or {}
    if path.startswith("/v1/identity/oidc/token/") and "token" in data:
        yield (BEARER if path.endswith("/mlflow") else IDENTITY), data["token"]
    if path.startswith("/v1/secret/data/"):
        for value in (data.get("data") or {}).values():
            yield STORED, value


def _from_sts(answer: bytes) -> Iterator[tuple[str, bytes]]:
    kinds = {b"SecretAccessKey": KEY, b"SessionToken": SESSION}
    for name, value in _STS.findall(answer):
        yield kinds[name], value


def _json(body: bytes) -> Mapping[str, Any]:
    try:
        content = json.loads(body)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
