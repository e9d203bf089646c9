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
from ..errors import BadAnswer, IssuerThrottled, IssuerUnavailable
from ..grant import Fate, Grant, Outcome
from ..memory import Draft, Sealed, SecretBuffer
from ._answer import Answer
from ._http import HTTPClient
from ._sealed_json import read_object
from ._sigv4 import SESSION_HEADER, sign

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
        self._http = HTTPClient(
            self._where, values["address"], clock, values.get("ca_file")
        )

    def proof(self, grant: Grant, at: float) -> SecretBuffer:
        """The signed request, sealed: it holds the session token, never the key.

        Args:
            grant: the session that is to end, its key still there.
            at: epoch seconds to sign for, by the store's clock.
        """
        credentials = grant.credentials
        headers = {
            "content-type": "application/x-www-form-urlencoded",
            # Bound to this revoker, so that nobody else can use the proof.
            "x-mlsecrets-revoker": self._audience,
        }
        token = credentials.sealed("session_token")
        signed = sign(
            method="POST",
            url=self._sts + "/",
            headers=headers,
            body=BODY.encode(),
            access_key=credentials.public["access_key_id"],
            secret_key=credentials.sealed("secret_access_key"),
            session_token=token,
            region=self._region,
            service="sts",
            now=datetime.fromtimestamp(at, timezone.utc),
        )
        others = json.dumps(signed)[:-1]
        with Draft() as draft:
            draft.add(f'{{"body": "{BODY}", "headers": {others}, ')
            draft.add(f'"{SESSION_HEADER}": "').add_json(token).add('"}}')
            with draft.sealed.reading() as view:
                return SecretBuffer.of(view)

    def end(self, proof: SecretBuffer, timeout: float) -> Outcome:
        """Hand the proof over.

        Raises:
            IssuerUnavailable: no answer, or the revoker cannot reach the store.
            BadAnswer: whoever answered is no revoker.
        """
        with self._http.call(
            "POST",
            "/v1/end-session",
            timeout=timeout,
            headers={"Content-Type": "application/json"},
            body=Sealed(proof, 0, proof.size),
        ) as answer:
            return self._outcome(answer)

    def _outcome(self, answer: Answer) -> Outcome:
        unavailable = self._trouble(answer)
        if unavailable is not None:
            raise unavailable
        said = read_object(answer.body) or {}
        if answer.status == 200:
            if said.get("revoked") is True:
                return Outcome(Fate.REVOKED)
            raise self._bad(answer, "did not say that the session is revoked")
        if not isinstance(said.get("error"), Sealed):
            raise self._bad(answer, "did not answer as a revoker does")
        return Outcome(
            Fate.ENDS_AT_TTL, f"{self._where} refused the proof ({answer.status})"
        )

    def _trouble(self, answer: Answer) -> IssuerUnavailable | None:
        if answer.status == 429:
            return IssuerThrottled(
                f"{self._where} asks to be called later (429)",
                retry_after=answer.retry_after,
                remedy="raise its rate limit",
            )
        if answer.status >= 500:
            return IssuerUnavailable(
                f"{self._where} cannot end sessions now ({answer.status})",
                retry_after=answer.retry_after,
                remedy="have the platform look at its log: it may not reach the store",
            )
        return None

    def _bad(self, answer: Answer, what: str) -> BadAnswer:
        return BadAnswer(
            f"{self._where} {what} ({answer.status})",
            retry_after=answer.retry_after,
            remedy="check its address, and the gateway or proxy in between",
        )

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()
