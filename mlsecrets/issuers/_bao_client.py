"""Requests in OpenBao's and Vault's spelling."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..clock import Clock
from ..errors import BadAnswer
from ..memory import Sealed
from ._bao_reply import Reply
from ._http import HTTPClient
from ._sealed_json import Object


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
        token: Sealed | None = None,
        payload: Mapping[str, Any] | Sealed | None = None,
    ) -> Reply:
        """One request below ``/v1/``.

        Args:
            token: whose request it is.
            payload: the JSON body; sealed if there is a secret in it.
        """
        body: bytes | Sealed | None
        if payload is None or isinstance(payload, Sealed):
            body = payload
        else:
            body = json.dumps(payload).encode()
        return Reply(
            self._http.call(
                method,
                f"/v1/{path}",
                timeout=timeout,
                headers=self._headers,
                secret_headers={} if token is None else {"X-Vault-Token": token},
                body=body,
            )
        )

    def decode(self, reply: Reply) -> Object:
        """The JSON object of a reply.

        Raises:
            BadAnswer: it is none.
        """
        if reply.content is None:
            raise BadAnswer(
                f"{self.where} answers with something that is not a JSON object",
                remedy="check that its address is an OpenBao or Vault server's, and "
                "the gateway or proxy in between",
            )
        return reply.content

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()
