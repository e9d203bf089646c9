"""Requests in OpenBao's and Vault's spelling."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..clock import Clock
from ..errors import BadAnswer
from ._answer import Answer
from ._http import HTTPClient


class BaoClient:
    """One server, one namespace; knows headers and JSON, not meaning.

    Args:
        name: the issuer's name in the manifest.
        values: its checked keys.
        clock: reads time.
    """

    def __init__(self, name: str, values: Mapping[str, Any], clock: Clock) -> None:
        ca_file: Path | None = values.get("ca_file")
        address: str = values["address"]
        self.where = f"issuer {name}"
        self._http = HTTPClient(self.where, address, clock, ca_file)
        # Vault demands this header from clients that may be tricked into requests
        # (its "request header" SSRF guard); both servers ignore it otherwise.
        self._headers = {"X-Vault-Request": "true"}
        if "namespace" in values:
            self._headers["X-Vault-Namespace"] = values["namespace"]

    def call(
        self,
        method: str,
        path: str,
        *,
        timeout: float,
        token: Callable[[], str] | None = None,
        payload: Mapping[str, Any] | bytes | None = None,
    ) -> Answer:
        """One request below ``/v1/``.

        Args:
            token: gives the token as a string that lives as long as the request.
            payload: the JSON body, or its bytes.
        """
        headers = dict(self._headers)
        if token is not None:
            headers["X-Vault-Token"] = token()
        if payload is not None and not isinstance(payload, bytes):
            payload = json.dumps(payload).encode()
        return self._http.call(
            method, f"/v1/{path}", timeout=timeout, headers=headers, body=payload
        )

    def decode(self, answer: Answer) -> dict[str, Any]:
        """The JSON object of an answer.

        Raises:
            BadAnswer: it is none.
        """
        decoded = answer.json()
        if decoded is None:
            raise BadAnswer(
                f"{self.where} answers with something that is not a JSON object",
                remedy="check that its address is an OpenBao or Vault server's, and "
                "the gateway or proxy in between",
            )
        return decoded

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()
