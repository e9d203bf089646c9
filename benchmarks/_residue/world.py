"""The real servers, and for each run a way to them that learns what is secret."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import requests

from mlsecrets.devstack import DevStack

from .certificates import Certificate
from .recorder import Recorder
from .secrets import BEARER, IDENTITY, Seen

#: Seconds that credentials live: no run is so long, and botocore does not refresh its
#: own before 15 minutes are left.
TTL = 1800.0
#: What is read from the store.
KEY = "digits/residue"
CONTENT = b"residue" * 100
MLFLOW_TOKEN = "identity/oidc/token/mlflow"  # noqa: S105  a path
EXPERIMENT = "residue"
#: What only MLflow's users may read.
WHOAMI = "/api/2.0/mlflow/experiments/search?max_results=1"
_TIMEOUT = 30.0  # seconds
#: A stored token that may be sent to OpenBao itself: what hvac needs.
_STORED = """
[scopes.vault]
owner = "hub@example.org"
version = "1.0.0"
issuer = "bao"
path = "secret/data/vault"
fields = {{ token = "vault_token" }}
ttl = "{ttl:.0f}s"
max_ttl = "1h"
access = ["use {address}"]
"""


@dataclass(frozen=True)
class Place:
    """What a client is told: where things are, and no secret.

    Attributes:
        bao: OpenBao's address.
        store: the store's, its STS at the same one.
        mlflow: the tracking server's; empty if there is none.
        ca_file: whom to trust; empty without TLS.
        role_id_file: the process's name at OpenBao.
        secret_id_file: its password.
        role: what may read the store.
        manifest: for leases.
    """

    bao: str
    store: str
    mlflow: str
    ca_file: str
    role_id_file: str
    secret_id_file: str
    role: str
    manifest: str


class World:
    """The embedded stack, with an object to read, and a certificate.

    Args:
        stack: with an administrator, and with MLflow if a client needs it.
        folder: a private one, for what lasts as long as the stack.
    """

    def __init__(self, stack: DevStack, folder: Path) -> None:
        self.stack = stack
        self.servers = {
            "bao": stack.openbao.address,
            "store": stack.store.address,
            "revoker": stack.revoker.address,
        }
        if stack.mlflow is not None:
            self.servers["mlflow"] = stack.mlflow.address
        self.folder = folder
        self.certificate = Certificate(folder)
        self._store_object()
        self._store_token()
        if "mlflow" in self.servers:
            self._make_experiment()

    @contextmanager
    def way(self, *, tls: bool) -> Iterator[Way]:
        """Recorders before every server, for one run."""
        with ExitStack() as exits:
            yield Way(self, exits, tls=tls)

    def mint(self, path: str) -> str:
        """A token of OpenBao's, by a login that no client sees."""
        bao = self.servers["bao"]
        body = {
            "role_id": self.stack.openbao.role_id_file.read_text(),
            "secret_id": self.stack.openbao.secret_id_file.read_text(),
        }
        login = requests.post(
            f"{bao}/v1/auth/approle/login", json=body, timeout=_TIMEOUT
        )
        token = login.json()["auth"]["client_token"]
        answer = requests.get(
            f"{bao}/v1/{path}", headers={"X-Vault-Token": token}, timeout=_TIMEOUT
        )
        minted: str = answer.json()["data"]["token"]
        return minted

    def _store_object(self) -> None:
        admin = self.stack.admin_s3()
        admin.put_object(Bucket="datasets", Key=KEY, Body=CONTENT)
        admin.close()

    def _store_token(self) -> None:
        ops = self.stack.openbao.admin()
        made = ops.request(
            "POST", "auth/token/create", {"policies": ["job"], "ttl": "24h"}
        )
        token = made.json()["auth"]["client_token"]
        ops.request("POST", "secret/data/vault", {"data": {"vault_token": token}})

    def _make_experiment(self) -> None:
        # Two clients that both made it at once would not both be let in.
        bearer = self.mint(MLFLOW_TOKEN)
        requests.post(
            self.servers["mlflow"] + "/api/2.0/mlflow/experiments/create",
            json={"name": EXPERIMENT},
            headers={"Authorization": f"Bearer {bearer}"},
            timeout=_TIMEOUT,
        ).raise_for_status()

    def refusals(self) -> dict[str, int]:
        """What each server answers to a credential that is none."""
        asked = {
            "bao": ("/v1/secret/data/hf", "X-Vault-Token"),
            "store": (f"/datasets/{KEY}", "X-Amz-Security-Token"),
            "mlflow": (WHOAMI, "Authorization"),
        }
        return {
            name: requests.get(
                self.servers[name] + path,
                headers={header: "Bearer none"},
                timeout=_TIMEOUT,
            ).status_code
            for name, (path, header) in asked.items()
            if name in self.servers
        }


class Way:
    """One run's addresses, and the secrets that have passed there.

    Attributes:
        seen: every secret so far.
        place: what the client is told.
    """

    def __init__(self, world: World, exits: ExitStack, *, tls: bool) -> None:
        stack = world.stack
        self.seen = Seen()
        self._world = world
        context = world.certificate.context if tls else None
        at = {
            name: exits.enter_context(Recorder(address, self.seen, context)).address
            for name, address in world.servers.items()
        }
        ca_file = str(world.certificate.ca_file) if tls else ""
        number = at["bao"].rpartition(":")[2]
        manifest = world.folder / f"mlsecrets-{number}.toml"
        manifest.write_text(self._manifest(at, ca_file))
        exits.callback(manifest.unlink)
        self.place = Place(
            bao=at["bao"],
            store=at["store"],
            mlflow=at.get("mlflow", ""),
            ca_file=ca_file,
            role_id_file=str(stack.openbao.role_id_file),
            secret_id_file=str(stack.openbao.secret_id_file),
            role="arn:aws:iam::role/data-reader",
            manifest=str(manifest),
        )
        self._identity_file = world.folder / f"web-identity-{number}"
        exits.callback(self._identity_file.unlink, missing_ok=True)

    def environment(self) -> Mapping[str, str]:
        """That every client finds: addresses, and whom to trust."""
        place = self.place
        trust = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
        return {
            "RESIDUE_PLACE": json.dumps(asdict(place)),
            "MLSECRETS_CONFIG": place.manifest,
            "MLFLOW_TRACKING_URI": place.mlflow,
            "AWS_ENDPOINT_URL_STS": place.store,
            "AWS_ENDPOINT_URL_S3": place.store,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            **(dict.fromkeys(trust, place.ca_file) if place.ca_file else {}),
        }

    def mint_bearer(self) -> str:
        """A token for MLflow, as an administrator would put it into an environment."""
        token = self._world.mint(MLFLOW_TOKEN)
        self.seen.add(BEARER, token)
        return token

    def mint_identity(self) -> Path:
        """A file with a token for the STS, as a platform would mount it."""
        token = self._world.mint("identity/oidc/token/s3")
        self.seen.add(IDENTITY, token)
        self._identity_file.touch(mode=0o600)
        self._identity_file.write_text(token)
        return self._identity_file

    def _manifest(self, at: Mapping[str, str], ca_file: str) -> str:
        stack = self._world.stack
        text = stack.manifest_path.read_text()
        # Relative paths in it mean files beside the original.
        text = re.sub(r'(_file = )"([^"/]+)"', rf'\1"{stack.folder}/\2"', text)
        for name, address in self._world.servers.items():
            text = re.sub(rf"{re.escape(address)}(?!\d)", at[name], text)
        if ca_file:
            # Each address of a server is followed by whom to trust there.
            text = re.sub(r"(?m)^(address = .*)$", rf'\1\nca_file = "{ca_file}"', text)
        return text + _STORED.format(ttl=TTL, address=at["bao"])
