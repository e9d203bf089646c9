"""The real OpenBao: in memory, sealed by a key file, set up by its own configuration.

Storage ``inmem``; the ``static`` seal reads a random key from a 0600 file; the audit
device is a 0600 file. Nobody administers the server: there is no root token, no unseal
or recovery key, and, unless tests ask for one, no user with rights over others.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from ..clock import SYSTEM_CLOCK
from . import _bao_engines, _bao_logins, _hcl, _self_init
from ._admin import OpenBaoAdmin
from ._errors import DevStackError
from ._folder import Folder
from ._local_http import PROBE_TIMEOUT, call
from ._process import Command, Process
from ._readiness import wait_until

#: Seconds; measured 0.25-0.5, the rest is for a busy machine.
_READY_TIMEOUT = 30.0


@dataclass(frozen=True)
class Terms:
    """The lifetimes of what OpenBao issues, in whole seconds.

    Args:
        ttl: of JWTs and certificates.
        token_ttl: of a login.
        token_max_ttl: up to which a login can be renewed.
    """

    ttl: int
    token_ttl: int
    token_max_ttl: int


class OpenBao:
    """A running server, and the files that belong to its users.

    Args:
        program: the path of ``bao``.
        terms: lifetimes of what it issues.
        ops: have an administrator.
    """

    def __init__(
        self, folder: Folder, port: int, program: Path, terms: Terms, *, ops: bool
    ) -> None:
        self._folder = folder
        self._port = port
        self._program = program
        self._terms = terms
        self._ops = ops
        self._home = folder.folder("openbao")
        # Shown by sys/health: tells our server from another one on a port we lost.
        self._cluster = f"devstack-{secrets.token_hex(8)}"
        self.address = f"http://127.0.0.1:{port}"
        self.issuer = f"{self.address}/v1/identity/oidc"
        self.audit_log = folder.logs / "openbao-audit.jsonl"
        self.run_id = f"dev-{secrets.token_hex(4)}"
        self.role_id_file = folder.path / "role-id"
        self.secret_id_file = folder.path / "secret-id"
        self.ada_password_file = folder.path / "ada-password"
        self.ops_password_file = folder.path / "ops-password"
        self.workload_key_file = folder.path / "workload-key.pem"

    def __repr__(self) -> str:
        return f"OpenBao({self.address!r})"

    def command(self) -> Command:
        """Write the configuration; the command that runs on it."""
        for name in ("role-id", "secret-id", "ada-password", "hf-token"):
            self._folder.secret(name)
        if self._ops:
            self._folder.secret("ops-password")
        self._folder.write("openbao/seal-key", secrets.token_bytes(32))
        config = self._folder.write("openbao/config.hcl", self._configuration())
        return Command(
            "openbao",
            [str(self._program), "server", "-config", str(config)],
            cwd=self._home,
            log=self._folder.logs / "openbao.log",
            env={},
        )

    def wait(self, process: Process) -> None:
        """Return when it serves. Set-up is complete then: it precedes listening."""
        wait_until(process, self._healthy, _READY_TIMEOUT)

    def admin(self) -> OpenBaoAdmin:
        """Someone who may do everything; there is none unless the stack has `ops`."""
        if not self._ops:
            raise DevStackError(
                "this OpenBao has no administrator",
                remedy="for tests that need one: DevStack(ops=True)",
            )
        return OpenBaoAdmin.login(self.address, self.ops_password_file)

    def workload_jwt(self, lifetime: float = 60.0, **claims: Any) -> str:
        """A JWT that ``auth/jwt/role/job`` accepts, or not, depending on the claims.

        Args:
            lifetime: in seconds from now; negative for one that has expired.
            claims: replace or add to those that are accepted.
        """
        import jwt

        now = SYSTEM_CLOCK.wall()
        accepted = {
            "iss": _bao_logins.WORKLOAD_ISSUER,
            "aud": _bao_logins.WORKLOAD_AUDIENCE,
            "sub": _bao_logins.WORKLOAD_SUBJECT,
            "iat": int(min(now, now + lifetime)),
            "exp": int(now + lifetime),
        }
        key = self.workload_key_file.read_text()
        return jwt.encode({**accepted, **claims}, key, algorithm="ES256")

    def _configuration(self) -> str:
        logins = _bao_logins.Logins(
            secrets=self._folder.path,
            token_ttl=self._terms.token_ttl,
            token_max_ttl=self._terms.token_max_ttl,
            run_id=self.run_id,
            workload_key=self._workload_key(),
            ops=self._ops,
        )
        engines = _bao_engines.requests(self._folder.path, self._terms.ttl)
        listener = {"address": f"127.0.0.1:{self._port}", "tls_disable": True}
        seal_key = (self._home / "seal-key").as_uri()
        seal = {"current_key_id": "devstack", "current_key": seal_key}
        audit = {
            "file_path": str(self.audit_log),
            "mode": "0600",
            "hmac_accessor": "true",
        }
        settings = _hcl.attributes(
            api_addr=self.address,
            cluster_name=self._cluster,
            log_level="warn",
            ui=False,
        )
        return "\n".join(
            (
                settings,
                _hcl.block("storage", ["inmem"]),
                _hcl.block("listener", ["tcp"], _hcl.attributes(**listener)),
                _hcl.block("seal", ["static"], _hcl.attributes(**seal)),
                _hcl.block("audit", ["file", "main"], _hcl.attributes(options=audit)),
                _self_init.block([*engines, *logins.requests()]),
            )
        )

    def _workload_key(self) -> str:
        """A new key pair: the private half into a file, the public half returned."""
        from cryptography.hazmat.primitives import serialization as form
        from cryptography.hazmat.primitives.asymmetric import ec

        private = ec.generate_private_key(ec.SECP256R1())
        pem = private.private_bytes(
            form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()
        )
        self._folder.write(self.workload_key_file.name, pem)
        public = private.public_key().public_bytes(
            form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo
        )
        return public.decode()

    def _healthy(self) -> bool:
        url = f"{self.address}/v1/sys/health"
        try:
            answer = call("GET", url, timeout=PROBE_TIMEOUT)
            name = json.loads(answer.content).get("cluster_name")
        except (requests.RequestException, ValueError, AttributeError):
            return False
        return answer.status_code == 200 and name == self._cluster
