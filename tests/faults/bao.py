"""The real OpenBao behind breakable lines, with an engine whose leases renew."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from mlsecrets import _current, configure
from mlsecrets._broker._socket import ENVIRONMENT
from mlsecrets._live import LiveGrant
from mlsecrets.clock import Clock
from mlsecrets.devstack import DevStack
from mlsecrets.devstack.user_registry import UserRegistry
from tests.faults.troubles import Line

#: Seconds that a lease lives and is renewed by; the engine renews for an hour.
TTL = 8
#: Where a lease is read, renewed, revoked; where the process logs in, renews and
#: revokes its token.
CREDS = "/v1/faults/creds/worker"
RENEW = "/v1/sys/leases/renew"
REVOKE = "/v1/sys/leases/revoke"
LOGIN = "/v1/auth/approle/login"
RENEW_SELF = "/v1/auth/token/renew-self"
REVOKE_SELF = "/v1/auth/token/revoke-self"

_POLICY = {
    "path": {
        "faults/creds/worker": {"capabilities": ["read"]},
        "identity/oidc/token/mlflow": {"capabilities": ["read"]},
        "sys/leases/revoke": {"capabilities": ["update"]},
    }
}
_MANIFEST = """
api = "mlsecrets/v1"
name = "faults"
version = "1.0.0"

[identities.job]
kind = "approle"
role_id_file = "{role_id}"
secret_id_file = "{secret_id}"

[issuers.bao]
kind = "openbao"
address = "{address}"
identity = "job"
{ca_file}

[scopes.queue]
owner = "o@example.org"
version = "1.0.0"
issuer = "bao"
path = "faults/creds/worker"
ttl = "{ttl}s"
max_ttl = "1h"
access = []

[scopes.mlflow]
owner = "o@example.org"
version = "1.0.0"
issuer = "bao"
path = "identity/oidc/token/mlflow"
ttl = "10s"
max_ttl = "1h"
access = ["use https://mlflow.example.org"]
"""


class Bao:
    """One OpenBao, a role of its own in it, and two lines to it.

    Args:
        stack: with an administrator.
        folder: for the identity's files, certificates and manifests.

    Attributes:
        admin: who may do everything, over no line.
        registry: the users that leases have made; see `UserRegistry`.
        plain: the line without TLS.
        secured: the line with TLS, and a name to look up.
    """

    def __init__(self, stack: DevStack, folder: Path) -> None:
        self.admin = stack.openbao.admin()
        self.registry = UserRegistry()
        self.plain = Line(stack.openbao.address)
        self.secured = Line(stack.openbao.address, "bao", folder)
        self._folder = folder
        self._stack = ExitStack()

    def __enter__(self) -> Bao:
        self._stack.enter_context(self.registry)
        self._stack.callback(self.do, "DELETE", "sys/mounts/faults")
        self.registry.mount(self.admin, ttl=TTL, max_ttl=3600, at="faults")
        self.allow(_POLICY)
        self.log_in_for()
        self.file("role-id", self.do("GET", "auth/approle/role/faults/role-id"))
        self.new_secret_id()
        self._stack.enter_context(self.plain)
        self._stack.enter_context(self.secured)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # -- what an administrator does ----------------------------------------------------

    def do(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """A request of the administrator; the data of its answer."""
        answer = self.admin.request(method, path, body)
        assert answer.status_code < 300, (path, answer.status_code)
        return dict(answer.json()["data"]) if answer.content else {}

    def allow(self, policy: Any = _POLICY) -> None:
        """Write the policy of the process's login; by default, all that it needs."""
        self.do("POST", "sys/policies/acl/faults", {"policy": json.dumps(policy)})

    def log_in_for(self, ttl: int = 30, max_ttl: int = 3600) -> None:
        """Say how many seconds a login lives, and up to which it renews."""
        role = {
            "token_policies": "default,faults",
            "token_ttl": ttl,
            "token_max_ttl": max_ttl,
        }
        self.do("POST", "auth/approle/role/faults", role)

    def new_secret_id(self) -> str:
        """Rotate the identity; its accessor, to end it by."""
        made = self.do("POST", "auth/approle/role/faults/secret-id", {})
        self.file("secret-id", made)
        return str(made["secret_id_accessor"])

    def file(self, name: str, data: dict[str, Any]) -> None:
        """Write one of the identity's files."""
        (self._folder / name).write_text(data[name.replace("-", "_")])

    # -- what the process does ---------------------------------------------------------

    def line(self, *, tls: bool = False) -> Line:
        """One of the two lines, healed, with nothing seen yet."""
        line = self.secured if tls else self.plain
        line.heal()
        line.proxy.seen.clear()
        return line

    def configure(self, line: Line, clock: Clock, **settings: Any) -> None:
        """Have this process lease over a line."""
        path = self._folder / "mlsecrets.toml"
        path.write_text(
            _MANIFEST.format(
                role_id=self._folder / "role-id",
                secret_id=self._folder / "secret-id",
                address=line.address,
                ca_file=line.ca_file,
                ttl=TTL,
            )
        )
        configure(path, clock=clock, **settings)


def by_hand(scope: str) -> LiveGrant:
    """A lease or login of this process, that is tended by nobody but the test."""
    session = _current.session()
    stack = session._stack
    assert stack is not None
    issuer = scope.removeprefix("login:")
    live = session.held(scope) if issuer == scope else stack.logins[issuer]
    stack.renewer.cancel(live)
    live.on_due = None
    return live


def told(scope: str, *names: str) -> list[Any]:
    """The events of a lease or login, by their names."""
    return _current.session().journal.events(*names, scope=scope)


def nothing_is_open() -> bool:
    """Whether this process holds nothing, and no thread that would."""
    session = _current.session()
    threads = {thread.name for thread in threading.enumerate()}
    return (
        not session.busy
        and session._stack is None
        and ENVIRONMENT not in os.environ
        # A resolver that keeps silent cannot be called back.
        and not any(
            name.startswith("mlsecrets-") for name in threads - {"mlsecrets-resolve"}
        )
    )


def wait_until(this: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Wait for what others do in the background; whether they did."""
    deadline = time.monotonic() + seconds
    while not this():
        if time.monotonic() > deadline:
            return False
        threading.Event().wait(0.01)
    return True


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """A block that takes no longer than this, in real time."""
    started = time.monotonic()
    yield
    took = time.monotonic() - started
    assert took <= seconds, f"took {took:.2f} s"
