"""The platform's revoker: ends an STS session at the request of that session alone.

``python -m mlsecrets.devstack.revoker --config FILE``. It holds the store's admin key,
which no job ever sees. A session proves which one it is by a signed GetCallerIdentity;
the STS at our *own* configured address says whose signature it is; exactly that
principal is then denied on every guarded bucket.

``POST /v1/end-session`` with ``{"headers": {...}, "body": "Action=..."}``:

====  ===================================================  =========================
200   ``{"revoked": true, "arn": "...", "until": epoch}``   the session is denied
400   ``{"error": "..."}``                                  not a proof
403   ``{"error": "proof refused"}`` or what is missing     not for us, or not genuine
502   ``{"error": "store unavailable"}``                    try again
====  ===================================================  =========================
"""

from __future__ import annotations

import argparse
import json
import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import requests

from ..clock import SYSTEM_CLOCK
from . import _revoker_policy as rules
from ._errors import DevStackError
from ._local_http import call
from ._revoker_http import RevokerServer
from ._revoker_proof import BODY, BadProof, Proof, Unavailable, read
from ._s3_admin import AdminKey, S3Admin

_MAX_ANSWER_BYTES = 64 * 1024
_STS_TIMEOUT = 10.0  # seconds
_STS_NAMESPACE = "{https://sts.amazonaws.com/doc/2011-06-15/}"
# The characters that AWS allows in role and session names (STS API reference,
# AssumeRoleWithWebIdentity). The job chooses the latter, and a * in a Deny's principal
# would end every session of the role.
_SESSION_ARN = re.compile(
    r"arn:aws:sts::assumed-role/[\w+=,.@-]+/[\w+=,.@-]{2,64}", re.ASCII
)


class Revoker:
    """Checks proofs with the STS and writes the denials.

    Args:
        config: ``sts``, ``endpoint`` (addresses), ``audience``, ``admin_key_file``,
            ``buckets``, ``session_seconds`` (the longest that a session can live).
        wall: reads epoch seconds.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        wall: Callable[[], float] = SYSTEM_CLOCK.wall,
    ) -> None:
        self._sts: str = config["sts"]
        self._host = urlsplit(self._sts).netloc
        self._audience: str = config["audience"]
        self._buckets: list[str] = config["buckets"]
        self._session_seconds: float = config["session_seconds"]
        self._wall = wall
        self._lock = threading.Lock()
        #: Epoch seconds from which there may be something to prune; None: nothing.
        self._due: float | None = 0.0
        key = AdminKey.read(Path(config["admin_key_file"]))
        self._store = S3Admin(config["endpoint"], key)

    def end_session(self, raw: bytes) -> dict[str, Any]:
        """Deny the session that made this proof.

        Raises:
            BadProof: nothing was denied.
            Unavailable: the session may be denied on some buckets; ask again.
        """
        arn = self._caller(read(raw, self._audience, self._host))
        # One second, because Sids hold whole ones.
        until = int(self._wall() + self._session_seconds) + 1
        self._rewrite(lambda policy, bucket: rules.deny(policy, bucket, arn, until))
        return {"revoked": True, "arn": arn, "until": until}

    def prune(self) -> None:
        """Forget the sessions that have ended by themselves.

        Raises:
            Unavailable: not now.
        """
        if self._due is not None and self._wall() >= self._due:
            self._rewrite(lambda policy, bucket: policy)

    def _caller(self, proof: Proof) -> str:
        """The ARN of whoever signed it, in the words of the STS."""
        url, body = f"{self._sts}/", BODY.encode()
        try:
            answer = call(
                "POST", url, data=body, headers=proof.headers, timeout=_STS_TIMEOUT
            )
        except requests.RequestException:
            raise Unavailable from None
        if answer.status_code >= 500:
            raise Unavailable
        if answer.status_code != 200:
            raise BadProof(403, "proof refused")
        arn = _arn(answer.content)
        if not _SESSION_ARN.fullmatch(arn):
            raise BadProof(403, "proof refused")
        return arn

    def _rewrite(
        self, change: Callable[[rules.Policy | None, str], rules.Policy | None]
    ) -> None:
        """Read, change, prune and write back every guarded bucket's policy."""
        written = []
        with self._lock:
            for bucket in self._buckets:
                try:
                    before = self._store.policy(bucket)
                    after = rules.prune(change(before, bucket), self._wall())
                    if after != before:
                        self._store.set_policy(bucket, after)
                except (requests.RequestException, DevStackError, ValueError):
                    raise Unavailable from None
                written.append(after)
            self._due = rules.next_end(written)


def _arn(content: bytes) -> str:
    if len(content) > _MAX_ANSWER_BYTES:
        raise Unavailable
    try:
        # From our own store, and expat expands no external entities.
        root = ElementTree.fromstring(content)  # noqa: S314
    except ElementTree.ParseError:
        raise Unavailable from None
    return root.findtext(f".//{_STS_NAMESPACE}Arn") or ""


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(prog="mlsecrets-revoker")
    parser.add_argument("--config", type=Path, required=True, help="a 0600 JSON file")
    config = json.loads(parser.parse_args().config.read_text())
    revoker, every = Revoker(config), config["prune_seconds"]
    with RevokerServer(config["port"], revoker, every) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
