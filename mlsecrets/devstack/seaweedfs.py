"""The real SeaweedFS: one process with S3, STS and IAM, as ``weed mini``.

Its defaults are not for us: telemetry on, the machine's outward address, a filer
without authentication. Every flag below undoes one (measured on 4.48).
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from . import _iam
from ._errors import PortTaken
from ._folder import Folder
from ._local_http import call
from ._metrics import s3_requests
from ._ports import SEAWEEDFS, SINGLE
from ._process import Command, Process
from ._readiness import wait_until
from ._s3_admin import REGION, AdminKey, S3Admin

#: What it listens on, all of it loopback; each service also on port + 10000 (gRPC).
PORTS = {
    **{f"store.{name}": SEAWEEDFS for name in ("master", "volume", "filer", "s3")},
    "store.admin": SEAWEEDFS,
    "store.metrics": SINGLE,
}
_SERVICES = ("master", "volume", "filer", "s3", "admin")
#: Seconds; measured 0.6-0.9, the rest is for a busy machine.
_READY_TIMEOUT = 60.0


class SeaweedFS:
    """A running store, with buckets ``datasets``, ``checkpoints`` and ``other``.

    Args:
        ports: by the names in `PORTS`.
        program: the path of ``weed``.
        issuer: whose JWTs its STS accepts.
        ttl: of sessions, in seconds.
    """

    def __init__(
        self,
        folder: Folder,
        ports: Mapping[str, int],
        program: Path,
        issuer: str,
        ttl: int,
    ) -> None:
        self._folder = folder
        self._program = program
        self._issuer = issuer
        self._ttl = ttl
        self._ports = {name: ports[f"store.{name}"] for name in _SERVICES}
        self._metrics = f"http://127.0.0.1:{ports['store.metrics']}/metrics"
        self._home = folder.folder("seaweedfs")
        self.address = f"http://127.0.0.1:{self._ports['s3']}"
        self.region = REGION
        self.buckets = _iam.BUCKETS
        self.admin_key_file = folder.path / "store-admin.json"

    def __repr__(self) -> str:
        return f"SeaweedFS({self.address!r})"

    def command(self) -> Command:
        """Write the configuration; the command that runs on it."""
        arguments = [f"-{name}={value}" for name, value in self._flags().items()]
        return Command(
            "seaweedfs",
            [str(self._program), "-logtostderr=true", "mini", *arguments],
            cwd=self._home,
            log=self._folder.logs / "seaweedfs.log",
            env={},
        )

    def _flags(self) -> dict[str, object]:
        key = AdminKey(secrets.token_hex(10).upper(), secrets.token_urlsafe(32))
        self._write_json(
            self.admin_key_file.name,
            {"access_key": key.access_key, "secret_key": key.secret_key},
        )
        signing_key = base64.b64encode(secrets.token_bytes(32)).decode()
        roles = _iam.configuration(self._issuer, self._ttl, signing_key)
        iam = self._write_json("seaweedfs/iam.json", roles)
        s3 = self._write_json("seaweedfs/s3.json", _identities(key))
        # Read from the working directory. Without it the filer's HTTP port serves
        # every object to anybody.
        self._folder.write("seaweedfs/security.toml", _security())
        data = self._folder.folder("seaweedfs/data")
        return {
            "dir": data,
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            **{f"{name}.port": port for name, port in self._ports.items()},
            "metricsPort": self._metrics.rpartition(":")[2].partition("/")[0],
            "metricsIp": "127.0.0.1",
            "admin.ui": "false",
            "webdav": "false",
            "master.telemetry": "false",
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "s3.iam.config": iam,
            "s3.config": s3,
            # Relative: a unix socket's path ends at 108 bytes (unix(7)).
            "filer.localSocket": "filer.sock",
            "s3.localSocket": "s3.sock",
        }

    def wait(self, process: Process) -> None:
        """Make the buckets, which also shows that it serves, and serves us."""
        admin = S3Admin(self.address, self.admin_key())
        try:
            for bucket in self.buckets:
                make = partial(_create, admin, bucket, process.log)
                wait_until(process, make, _READY_TIMEOUT)
        finally:
            admin.close()

    def litter(self) -> list[Path]:
        """The sockets that it leaves behind when killed; their place is fixed."""
        return [
            Path(f"/tmp/seaweedfs-{name}-grpc-{_grpc(port)}.sock")  # noqa: S108
            for name, port in self._ports.items()
        ]

    def admin_key(self) -> AdminKey:
        """The key that may do everything."""
        return AdminKey.read(self.admin_key_file)

    def metrics(self) -> dict[tuple[str, str, str], int]:
        """How often each (type, status, bucket) was answered, counted by the store.

        See `s3_requests` for what the parts say.
        """
        answer = call("GET", self._metrics)
        answer.raise_for_status()
        return s3_requests(answer.text)

    def _write_json(self, name: str, content: Mapping[str, Any]) -> Path:
        return self._folder.write(name, json.dumps(content, indent=1))


def _grpc(port: int) -> int:
    return port + SEAWEEDFS[1]


def _create(admin: S3Admin, bucket: str, log: Path) -> bool:
    """Make a bucket; False for "not yet"."""
    # 4.48 replaces a taken gRPC port, even one named by a flag, by the next free one.
    # Its first lines say so, before it makes the sockets that `litter` could not know.
    if "finding alternative" in log.read_text():
        raise PortTaken("seaweedfs found a gRPC port taken and uses another one")
    return admin.create_bucket(bucket)


def _identities(key: AdminKey) -> dict[str, Any]:
    credentials = {"accessKey": key.access_key, "secretKey": key.secret_key}
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    admin = {"name": "admin", "credentials": [credentials], "actions": actions}
    return {"identities": [admin]}


def _security() -> str:
    signers = ("signing", "signing.read", "filer_signing", "filer_signing.read")
    return "".join(
        f'[jwt.{name}]\nkey = "{secrets.token_hex(24)}"\nexpires_after_seconds = 60\n'
        for name in signers
    )
