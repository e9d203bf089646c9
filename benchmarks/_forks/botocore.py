"""The same with botocore's own refreshable credentials and a web identity."""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

READERS = 8


class Program:
    """What forks."""

    def __init__(self, place: Any) -> None:
        self._place = place
        self._exits = ExitStack()
        self._ended = threading.Event()
        self._renewing = 0

    def __enter__(self) -> Program:
        import botocore.session
        from botocore.credentials import RefreshableCredentials

        self._sts = botocore.session.Session().create_client(
            "sts", config=_unsigned(), verify=self._place.ca_file or None
        )
        self._held: Any = RefreshableCredentials.create_from_metadata(
            self._fetched(), self._fetched, "assume-role-with-web-identity"
        )
        for _ in range(READERS):
            thread = threading.Thread(target=self._read_on)
            thread.start()
            self._exits.callback(thread.join)
        self._exits.callback(self._ended.set)
        return self

    def __exit__(self, *exception: object) -> None:
        self._exits.close()

    def renew(self, number: int) -> None:
        """Let what is held expire, so that it is refreshed."""
        self._renewing += 1
        try:
            self._held._expiry_time = datetime.now(timezone.utc)  # noqa: SLF001
            self._held.get_frozen_credentials()
        finally:
            self._renewing -= 1

    def under_way(self) -> bool:
        """Whether a renewal is."""
        return self._renewing > 0

    def read(self) -> int:
        """In a child: the credentials."""
        return len(self._held.get_frozen_credentials().access_key)

    def left_over(self) -> dict[str, Any]:
        """In a child: what there is of its parent's."""
        return {"threads": len(list(Path("/proc/self/task").iterdir())) - 1}

    def _fetched(self) -> dict[str, str]:
        token = Path(os.environ["AWS_WEB_IDENTITY_TOKEN_FILE"]).read_text()
        got = self._sts.assume_role_with_web_identity(
            RoleArn=os.environ["AWS_ROLE_ARN"],
            RoleSessionName="forks",
            WebIdentityToken=token,
        )["Credentials"]
        expiry = datetime.now(timezone.utc) + timedelta(hours=1)
        return {
            "access_key": got["AccessKeyId"],
            "secret_key": got["SecretAccessKey"],
            "token": got["SessionToken"],
            "expiry_time": expiry.isoformat(),
        }

    def _read_on(self) -> None:
        while not self._ended.wait(0.001):
            self._held.get_frozen_credentials()


def _unsigned() -> Any:
    import botocore
    from botocore.config import Config

    return Config(signature_version=botocore.UNSIGNED)
