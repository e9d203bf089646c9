"""One client in a process of its own, looked at in each of its pauses."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .observe import Observer, Sight
from .plan import CLIENTS, IDENTITY_FILE, Client
from .secrets import PLANTED, Secret
from .world import Way, World

#: The pauses of a client.
DURING, AFTER = "during", "after"
#: Seconds after which a client is taken to hang.
LONGEST = 120.0
#: Variables of this machine that would change what clients do.
_FOREIGN = ("AWS_", "MLFLOW_", "MLSECRETS_", "OTEL_", "VAULT_", "BAO_", "API_TOKEN")


class Unproven(Exception):
    """A run that says nothing, and why."""


@dataclass(frozen=True)
class Found:
    """What one run showed.

    Attributes:
        sights: by pause.
        told: a lease's own report on what became of its secrets; None for others.
    """

    sights: Mapping[str, Sight]
    told: Mapping[str, Any] | None


def run(name: str, world: World, *, tls: bool, dump: bool = True) -> Found:
    """Run a client once.

    Raises:
        Unproven: it failed, did not have the secrets that it should have had, or what
            was planted in it was not found.
        Unseen: this process may not look into it.
    """
    client = CLIENTS[name]
    with world.way(tls=tls) as way, _Process(name, _environment(client, way)) as child:
        planted = Secret(PLANTED, secrets.token_hex(20).encode())
        child.plant(planted.value)
        observer = Observer(child.pid, world.folder, dump=dump)
        sights = {}
        for pause in (DURING, AFTER):
            told = child.wait()
            _check_kinds(client, way)
            sight = observer.look([planted, *way.seen.all()])
            if not (sight.counts[PLANTED].full and sight.counts[PLANTED].pieces):
                raise Unproven(f"{client.title}: what was planted was not found")
            sights[pause] = sight
            child.go_on()
        return Found(sights, told)


def _check_kinds(client: Client, way: Way) -> None:
    kinds = {secret.kind for secret in way.seen.all()}
    if kinds != set(client.kinds):
        raise Unproven(
            f"{client.title}: had {', '.join(sorted(kinds))}, expected "
            f"{', '.join(sorted(client.kinds))}"
        )


def _environment(client: Client, way: Way) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_FOREIGN)
    }
    given = {
        name: str(way.mint_identity()) if what == IDENTITY_FILE else way.mint_bearer()
        for name, what in client.given.items()
    }
    if IDENTITY_FILE in client.given.values():
        given["AWS_ROLE_ARN"] = way.place.role
    return {
        **kept,
        **way.environment(),
        **given,
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        # Its threads have buffers of 32 MB each, which would be dumped and searched.
        "OPENBLAS_NUM_THREADS": "1",
    }


class _Process:
    """The client's process; ended with the block, and when it takes too long."""

    def __init__(self, name: str, environment: Mapping[str, str]) -> None:
        self._name = name
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  closed below
        self._process = subprocess.Popen(
            [sys.executable, "-m", __package__ or "", name],
            cwd=Path(__file__).parents[1],
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            bufsize=0,
        )
        self._hanging = threading.Timer(LONGEST, self._process.kill)
        self._hanging.daemon = True
        self._hanging.start()
        self.pid = self._process.pid

    def __enter__(self) -> _Process:
        return self

    def __exit__(self, *exception: object) -> None:
        self._hanging.cancel()
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def wait(self) -> Any:
        """Until it pauses; what it then says.

        Raises:
            Unproven: it ended instead.
        """
        line = self._process.stdout.readline() if self._process.stdout else b""
        if not line:
            self._errors.seek(0)
            said = self._errors.read().decode(errors="replace")[-4000:]
            raise Unproven(f"{self._name} came to no pause:\n{said}")
        return json.loads(line)

    def go_on(self) -> None:
        """End its pause."""
        self._write(b"\n")

    def plant(self, value: bytes) -> None:
        """Give it something to be found."""
        self._write(value + b"\n")

    def _write(self, line: bytes) -> None:
        if self._process.stdin is not None:
            self._process.stdin.write(line)
