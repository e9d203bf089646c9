"""What the training process is told: places, names and durations; never a secret."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Static:
    """How the control gets its credentials, once: what its script has to know.

    Args:
        openbao: address.
        store: address of the store and its STS.
        role: what to assume there, an ARN.
        role_id_file: who the job is (AppRole).
        secret_id_file: and its proof.
    """

    openbao: str
    store: str
    role: str
    role_id_file: str
    secret_id_file: str


@dataclass(frozen=True)
class Plan:
    """One training run.

    Args:
        seconds: to train for.
        run_id: names the run's checkpoints and its MLflow run.
        reads_file: where every read of a shard is noted.
        manifest: what may be leased.
        journal: where lease events go.
        tracking_uri: MLflow's address.
        static: None on leases; else how the control gets its credentials.
    """

    seconds: float
    run_id: str
    reads_file: str
    manifest: str = ""
    journal: str = ""
    tracking_uri: str = ""
    static: Static | None = None

    def to_json(self) -> str:
        """One command line argument."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """The inverse of `to_json`."""
        values = json.loads(text)
        static = values.pop("static")
        return cls(**values, static=None if static is None else Static(**static))


#: The scopes of the stack's manifest that a training run needs.
SCOPES = ("train-data", "checkpoints", "mlflow")
#: The job asks OpenBao about itself, to get at its own token for the proof.
OWN_TOKEN = "own-token"  # noqa: S105  a scope's name
#: Where the stack puts the digits: bucket and folder.
DATA = "datasets/digits"
#: Where checkpoints go; the scope allows ``run-*`` below it.
CHECKPOINTS = "checkpoints"


def extended_manifest(stack_manifest: Path, openbao: str) -> Path:
    """The stack's manifest and one scope more, for the demo alone.

    A job's OpenBao token never leaves `mlsecrets`. To try it after its end, the demo
    has the job ask OpenBao about itself: that answer holds the token.
    """
    path = stack_manifest.with_name("demo.toml")
    path.write_text(
        f"""{stack_manifest.read_text()}
[scopes.{OWN_TOKEN}]
owner = "demo@example.org"
version = "1.0.0"
issuer = "bao"
path = "auth/token/lookup-self"
credentials = "bearer"
fields = {{ token = "id" }}
ttl = "1h"
max_ttl = "1h"
access = ["use {openbao}"]
"""
    )
    return path
