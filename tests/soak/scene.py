"""Everything around the process under test: servers, proxies, and its manifest."""

from __future__ import annotations

import re
import threading
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from mlsecrets.devstack import DevStack
from mlsecrets.devstack._revoker_http import RevokerServer
from mlsecrets.devstack.revoker import Revoker
from mlsecrets.devstack.user_registry import UserRegistry
from tests.faults.proxy import FaultProxy

from .content import BUCKET, KEYS, content
from .resource import Resource

#: Seconds: of a JWT, an STS session, and a user that OpenBao makes.
TTL = 5
#: Up to which such a user is renewed; then there is another one.
USER_MAX_TTL = 15
#: Of the process's own login, so that it too is renewed and replaced in a run.
TOKEN_TTL = 20
TOKEN_MAX_TTL = 60

QUEUE = """
[scopes.queue]
owner = "queue@example.org"
version = "1.0.0"
issuer = "bao"
path = "rabbitmq/creds/worker"
ttl = "{ttl}s"
max_ttl = "{max_ttl}s"
access = ["use {resource}"]
"""


class Scene:
    """The embedded stack, what jobs call, and a fault proxy before each issuer.

    Attributes:
        stack: the real OpenBao and the real store.
        registry: where OpenBao makes the users of ``queue``.
        resource: what JWTs and users are good for.
        revoker: ends sessions, also at an administrator's word.
        proxies: ``bao``, ``store`` (its STS alone) and ``revoker``.
        manifest: names the proxies where the issuers are, and the store itself for S3.
        folder: for what the run writes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._exits = ExitStack()

    def __enter__(self) -> Scene:
        with self._exits as exits:
            self._start(exits)
            self._exits = exits.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._exits.close()

    def _start(self, exits: ExitStack) -> None:
        enter = exits.enter_context
        stack = DevStack(
            ttl=TTL, ops=True, token_ttl=TOKEN_TTL, token_max_ttl=TOKEN_MAX_TTL
        )
        self.stack = enter(stack)
        admin = self.stack.openbao.admin()
        self.registry = enter(UserRegistry())
        self.registry.mount(admin, ttl=TTL, max_ttl=USER_MAX_TTL)
        self.resource = enter(Resource(self.stack.openbao.issuer, self.registry))
        self._give_mlflow_a_key_of_its_own()
        self._seed()
        bao = enter(FaultProxy(self.stack.openbao.address))
        store = enter(FaultProxy(self.stack.store.address))
        self.revoker = Revoker(self._revoker_config(store.address))
        server = enter(_Serving(self.revoker))
        revoker = enter(FaultProxy(server.address))
        self.proxies = {"bao": bao, "store": store, "revoker": revoker}
        self.manifest = self.folder / "mlsecrets.toml"
        self.manifest.write_text(self._edited())

    def _give_mlflow_a_key_of_its_own(self) -> None:
        """So that it can be taken away without disturbing the store."""
        admin, path = self.stack.openbao.admin(), "identity/oidc"
        key = {
            "algorithm": "RS256",
            "rotation_period": 24 * 3600,
            "verification_ttl": 3600,
            "allowed_client_ids": ["mlflow"],
        }
        assert admin.request("POST", f"{path}/key/mlflow", key).ok
        role = admin.request("GET", f"{path}/role/mlflow").json()["data"]
        changed = {**role, "key": "mlflow"}
        assert admin.request("POST", f"{path}/role/mlflow", changed).ok

    def _seed(self) -> None:
        s3 = self.stack.admin_s3()
        try:
            for key in KEYS:
                s3.put_object(Bucket=BUCKET, Key=key, Body=content(key))
        finally:
            s3.close()

    def _revoker_config(self, sts: str) -> dict[str, object]:
        """Of a revoker whose STS is the proxy: proofs are signed for its address."""
        store = self.stack.store
        return {
            "sts": sts,
            "endpoint": store.address,
            "audience": self.stack.revoker.audience,
            "admin_key_file": store.admin_key_file,
            "buckets": [BUCKET],
            "session_seconds": TTL,
        }

    def _edited(self) -> str:
        """The stack's manifest with other addresses, and one scope more."""
        text = self.stack.manifest_path.read_text()
        # Relative paths in it mean files beside the original.
        text = re.sub(r'(_file = )"([^"/]+)"', rf'\1"{self.stack.folder}/\2"', text)
        at = {name: proxy.address for name, proxy in self.proxies.items()}
        bao, store = self.stack.openbao.address, self.stack.store.address
        resource = self.resource.address
        for old, new in (
            (f'address = "{bao}"', f'address = "{at["bao"]}"'),
            (
                f'address = "{store}"',
                f'address = "{at["store"]}"\nendpoint = "{store}"',
            ),
            (self.stack.revoker.address, at["revoker"]),
        ):
            assert text.count(old) == 1, f"{old!r} is not in the manifest, once"
            text = text.replace(old, new)
        text, found = re.subn(r"use http://[^\"]+", f"use {resource}", text)
        assert found == 1
        return text + QUEUE.format(ttl=TTL, max_ttl=USER_MAX_TTL, resource=resource)


class _Serving:
    """A revoker's server, on a thread."""

    def __init__(self, revoker: Revoker) -> None:
        self._server = RevokerServer(0, revoker, every=TTL)
        self._server.RequestHandlerClass = _quiet(self._server.RequestHandlerClass)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> _Serving:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _quiet(handler: Any) -> Any:
    """The same handler without its log on stderr."""
    return type("_Quiet", (handler,), {"log_message": lambda *_: None})
