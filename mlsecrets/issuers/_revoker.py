"""Asking the platform's revoker to end an STS session.

A job cannot end its own STS session, and must not hold a key that could end others'.
So it proves which session it is, by signing a GetCallerIdentity request that the
revoker forwards to its own STS, and the revoker, which does hold that key, denies
exactly that session. (The pattern of Vault's AWS auth method.)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ..clock import Clock
from ..errors import BadAnswer, IssuerUnavailable
from ..grant import Fate, Grant, Outcome
from ..memory import SecretBuffer
from ._http import HTTPClient
from ._sigv4 import sign

BODY = "Action=GetCallerIdentity&Version=2011-06-15"
#: Seconds for which a signature is accepted (AWS General Reference, "Elements of an AWS
#: API request signature": within 15 minutes of the time stamp).
PROOF_LIFETIME = 15 * 60.0


class Revoker:
    """One revoker of the manifest.

    Args:
        name: its name in the manifest.
        values: its checked keys.
        sts: the address that the proof is signed for.
        region: the region that the proof is signed for.
        clock: reads time.
    """

    def __init__(
        self, name: str, values: Mapping[str, Any], sts: str, region: str, clock: Clock
    ) -> None:
        self._where = f"revoker {name}"
        self._audience: str = values["audience"]
        self._sts = sts
        self._region = region
        self._clock = clock
        self._http = HTTPClient(
            self._where, values["address"], clock, values.get("ca_file")
        )

    def proof(self, grant: Grant, at: float | None = None) -> SecretBuffer:
        """The signed request, sealed: it holds the session token, never the key.

        Args:
            grant: the session that is to end, its key still there.
            at: epoch seconds to sign for, if this machine's clock is not to be trusted.
        """
        signed_at = self._clock.wall() if at is None else at
        credentials = grant.credentials
        headers = {
            "content-type": "application/x-www-form-urlencoded",
            # Bound to this revoker, so that nobody else can use the proof.
            "x-mlsecrets-revoker": self._audience,
        }
        offset, length = credentials.slot("secret_access_key")
        with credentials.buffer.reading() as view:
            signed = sign(
                method="POST",
                url=self._sts + "/",
                headers=headers,
                body=BODY.encode(),
                access_key=credentials.public["access_key_id"],
                secret_key=view[offset : offset + length],
                session_token=credentials.reveal("session_token"),
                region=self._region,
                service="sts",
                now=datetime.fromtimestamp(signed_at, timezone.utc),
            )
        return SecretBuffer.of(json.dumps({"headers": signed, "body": BODY}))

    def end(self, proof: SecretBuffer, timeout: float) -> Outcome:
        """Hand the proof over.

        Raises:
            IssuerUnavailable: no answer, or the revoker cannot reach the store.
        """
        answer = self._http.call(
            "POST",
            "/v1/end-session",
            timeout=timeout,
            headers={"Content-Type": "application/json"},
            body=proof.text().encode(),
        )
        if answer.status >= 500:
            raise IssuerUnavailable(f"{self._where} cannot end sessions now")
        if answer.status != 200:
            return Outcome(
                Fate.ENDS_AT_TTL, f"{self._where} refused the proof ({answer.status})"
            )
        try:
            revoked = json.loads(answer.body).get("revoked") is True
        except (ValueError, AttributeError):
            revoked = False
        if not revoked:
            raise BadAnswer(f"{self._where} did not say that the session is revoked")
        return Outcome(Fate.REVOKED)

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()
