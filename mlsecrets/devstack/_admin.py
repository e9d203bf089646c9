"""The administrator that only stacks for tests have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests

from ._errors import DevStackError
from ._local_http import call


class OpenBaoAdmin:
    """May do everything: seal the server, create odd roles, list every token."""

    def __init__(self, address: str, token: str) -> None:
        self._address = address
        self._token = token

    def __repr__(self) -> str:
        return f"OpenBaoAdmin({self._address!r})"

    @classmethod
    def login(cls, address: str, password_file: Path) -> OpenBaoAdmin:
        """Log in as the user ``ops``."""
        answer = call(
            "POST",
            f"{address}/v1/auth/userpass/login/ops",
            json={"password": password_file.read_text()},
        )
        if answer.status_code != 200:
            raise DevStackError(f"login as ops at {address}: {answer.status_code}")
        return cls(address, answer.json()["auth"]["client_token"])

    def request(
        self, method: str, path: str, json: Mapping[str, Any] | None = None
    ) -> requests.Response:
        """Any request, under ``/v1/``; the answer as it is, whatever its status."""
        return call(
            method,
            f"{self._address}/v1/{path}",
            json=json,
            headers={"X-Vault-Token": self._token},
        )
