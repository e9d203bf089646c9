"""The owner's side of the revoker: its configuration, and waiting for it."""

from __future__ import annotations

import json
from functools import partial

from ._folder import Folder
from ._local_http import healthy
from ._process import Command, Process
from ._python import python_environment, python_module
from ._readiness import wait_until
from .seaweedfs import SeaweedFS

#: Seconds; measured 0.3-0.5, nearly all of it imports.
_READY_TIMEOUT = 30.0
#: Seconds between two looks for denials that are no longer needed.
_PRUNE_SECONDS = 30.0


class RevokerProcess:
    """A running revoker."""

    #: The name that a proof must be made for.
    audience = "devstack"

    def __init__(self, folder: Folder, port: int, store: SeaweedFS, ttl: int) -> None:
        self._folder = folder
        self._store = store
        self._ttl = ttl
        self._port = port
        self._home = folder.folder("revoker")
        self.address = f"http://127.0.0.1:{port}"

    def __repr__(self) -> str:
        return f"RevokerProcess({self.address!r})"

    def command(self) -> Command:
        """Write the configuration; the command that runs on it."""
        content = {
            "port": self._port,
            "sts": self._store.address,
            "endpoint": self._store.address,
            "audience": self.audience,
            "admin_key_file": str(self._store.admin_key_file),
            "buckets": self._store.buckets,
            "session_seconds": self._ttl,
            "prune_seconds": min(float(self._ttl), _PRUNE_SECONDS),
        }
        config = self._folder.write("revoker/config.json", json.dumps(content))
        return Command(
            "revoker",
            [*python_module("mlsecrets.devstack.revoker"), "--config", str(config)],
            cwd=self._home,
            log=self._folder.logs / "revoker.log",
            env=python_environment(),
        )

    def wait(self, process: Process) -> None:
        """Return when it serves."""
        url = f"{self.address}/v1/health"
        wait_until(process, partial(healthy, url), _READY_TIMEOUT)
