"""The few S3 requests that the platform itself makes, signed by botocore.

Without boto3's client, whose service models take longer to load than the store to
start: both the revoker and the stack are waited for.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from ._errors import DevStackError
from ._local_http import PROBE_TIMEOUT

REGION = "us-east-1"
_TIMEOUT = 10.0  # seconds


@dataclass(frozen=True)
class AdminKey:
    """The key that may do everything at the store."""

    access_key: str
    secret_key: str = field(repr=False)

    @classmethod
    def read(cls, path: Path) -> AdminKey:
        """From the 0600 file in which the stack keeps it."""
        content = json.loads(path.read_text())
        return cls(content["access_key"], content["secret_key"])


class S3Admin:
    """Buckets and their policies. Not for several threads at once."""

    def __init__(self, endpoint: str, key: AdminKey) -> None:
        self._endpoint = endpoint
        self._signer = S3SigV4Auth(
            Credentials(key.access_key, key.secret_key), "s3", REGION
        )
        self._session = requests.Session()
        self._session.trust_env = False

    def close(self) -> None:
        """Give the connections back."""
        self._session.close()

    def create_bucket(self, bucket: str) -> bool:
        """Whether the store has made it; False while it cannot yet.

        Raises:
            DevStackError: it refuses.
        """
        try:
            answer = self._call("PUT", bucket, timeout=PROBE_TIMEOUT)
        except requests.RequestException:
            return False
        if answer.status_code >= 500:
            return False
        # 409: it was made by an earlier call whose answer did not reach us.
        self._expect(answer, f"create bucket {bucket}", 200, 409)
        return True

    def policy(self, bucket: str) -> dict[str, Any] | None:
        """A bucket's policy; None if it has none."""
        answer = self._call("GET", bucket, "?policy")
        if answer.status_code == 404:
            return None
        self._expect(answer, f"read the policy of {bucket}", 200)
        document: dict[str, Any] = answer.json()
        return document

    def set_policy(self, bucket: str, policy: dict[str, Any] | None) -> None:
        """Replace a bucket's policy; None takes it away."""
        if policy is None:
            answer = self._call("DELETE", bucket, "?policy")
        else:
            answer = self._call("PUT", bucket, "?policy", json.dumps(policy).encode())
        self._expect(answer, f"set the policy of {bucket}", 200, 204)

    def _call(
        self,
        method: str,
        bucket: str,
        query: str = "",
        body: bytes = b"",
        timeout: float = _TIMEOUT,
    ) -> requests.Response:
        url = f"{self._endpoint}/{bucket}{query}"
        request = AWSRequest(method=method, url=url, data=body)
        self._signer.add_auth(request)
        return self._session.request(
            method,
            url,
            data=body,
            headers=dict(request.headers.items()),
            timeout=timeout,
            allow_redirects=False,
        )

    def _expect(self, answer: requests.Response, what: str, *statuses: int) -> None:
        if answer.status_code not in statuses:
            raise DevStackError(f"the store answers {answer.status_code} to: {what}")
