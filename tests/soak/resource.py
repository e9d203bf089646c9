"""A server that jobs call with what they lease, and that knows what is dead.

It asks nobody in between: JWTs are checked with OpenBao's own keys, users by the
registry in which OpenBao makes and removes them.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.request import urlopen

import jwt

from mlsecrets.devstack.user_registry import UserRegistry

from .content import content
from .records import Refusal, now

AUDIENCE = "mlflow"


class Users(set[str]):
    """A registry's users, and when each of them went."""

    def __init__(self) -> None:
        super().__init__()
        self.gone: dict[str, float] = {}

    def discard(self, name: object, /) -> None:
        if name in self:
            self.gone[str(name)] = now()
        super().discard(name)


class Resource:
    """Serves ``/jwt/NAME`` to bearers of a JWT, and ``/user/NAME`` to users.

    Args:
        issuer: whose JWTs count, OpenBao's ``/v1/identity/oidc``.
        registry: whose users count; its set is replaced by one that keeps time.

    Attributes:
        refusals: of what was presented dead, and how long it had been that.
    """

    def __init__(self, issuer: str, registry: UserRegistry) -> None:
        self.refusals: list[Refusal] = []
        self._issuer = issuer
        self._users = Users()
        registry.users = self._users
        self._keys: jwt.PyJWKSet | None = None
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.resource = self
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Resource:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def forget_keys(self) -> None:
        """Have the JWKS read again: a key was taken out of it."""
        self._keys = None

    def accepts(self, area: str, authorization: str) -> bool:
        """Whether a request would be served; notes it if not."""
        kind, _, value = authorization.partition(" ")
        if (area, kind) == ("jwt", "Bearer"):
            late = self._jwt_trouble(value)
            scope = "mlflow"
        elif (area, kind) == ("user", "Basic"):
            name = base64.b64decode(value).decode().partition(":")[0]
            late = None if name in self._users else self._since(name)
            scope = "queue"
        else:
            return False
        if late is not None:
            self.refusals.append(Refusal(scope, "resource", now(), late))
        return late is None

    def _since(self, name: str) -> float:
        gone = self._users.gone.get(name)
        # One that nobody ever made has been dead for ever.
        return now() - gone if gone is not None else 1e9

    def _jwt_trouble(self, token: str) -> float | None:
        """Seconds for which it has been dead; None if it lives."""
        try:
            kid = jwt.get_unverified_header(token)["kid"]
            key = self._key(kid) or self._key(kid, fresh=True)
            if key is None:
                return 0.0  # signed by a key that was taken away, nobody knows when
            jwt.decode(
                token,
                key.key,
                algorithms=["RS256"],
                audience=AUDIENCE,
                issuer=self._issuer,
                leeway=0,
                options={"require": ["exp"]},
            )
        except jwt.ExpiredSignatureError:
            claims = jwt.decode(token, options={"verify_signature": False})
            return float(time.time() - claims["exp"])
        except (jwt.PyJWTError, KeyError):
            return 1e9
        return None

    def _key(self, kid: str, *, fresh: bool = False) -> jwt.PyJWK | None:
        keys = self._keys
        if keys is None or fresh:
            with urlopen(f"{self._issuer}/.well-known/keys", timeout=10) as answer:
                keys = self._keys = jwt.PyJWKSet.from_dict(json.load(answer))
        return next((key for key in keys.keys if key.key_id == kid), None)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64
    resource: Resource


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        _, area, name = self.path.split("/", 2)
        authorization = self.headers.get("Authorization", "")
        served = self.server.resource.accepts(area, authorization)
        body = content(name) if served else b"no\n"
        self.send_response(200 if served else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  inherited
        """Quiet: the refusals are noted."""
