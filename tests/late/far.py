"""The client's side of `far_server.py`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import requests

from mlsecrets.memory import Sealed


class Far:
    """The server of `far_server.py`.

    Attributes:
        address: where it listens.
        ca_file: what a client has to trust; True for what it trusts anyway.
    """

    def __init__(self, address: str, ca_file: str | bool) -> None:
        self.address = address
        self.ca_file = ca_file

    def url(self, path: str) -> str:
        return f"{self.address}/{path}"

    def seen(self, path: str) -> list[dict[str, Any]]:
        """What has come to a path, in order."""
        answer = requests.get(self.url("seen"), verify=self.ca_file, timeout=5)
        return [one for one in answer.json() if one["path"] == "/" + path]


@contextmanager
def serving(pem: Path | None) -> Iterator[Far]:
    script = Path(__file__).with_name("far_server.py")
    command = [sys.executable, str(script), str(pem or "")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            scheme = "https" if pem else "http"
            yield Far(f"{scheme}://127.0.0.1:{port}", str(pem) if pem else True)
        finally:
            process.kill()


def digest(before: str, value: Sealed) -> str:
    """What it says of a header that holds a secret after some text."""
    made = sha256(before.encode())
    with value.reading() as view:
        made.update(view)
    return made.hexdigest()
