"""`LeasedApp`: leases around an ASGI application that cannot be changed."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from mlsecrets import lease
from mlsecrets.errors import MLSecretsError, NotLeased

from ._opened import opened
from ._readiness import Readiness

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

log = logging.getLogger("mlsecrets")


class LeasedApp:
    """Holds scopes for as long as a server serves an application.

    ::

        app = LeasedApp(app, "models", ready_at="/ready")

    For applications whose lifespan is not ours to write; those that have none are
    served, too. State and order are those of `lifespan`.

    Args:
        app: an ASGI application.
        scopes: names from the manifest.
        ready_at: a path that answers as `Readiness` does, before the application is
            asked; None for none.
        margin: as for `Readiness`.

    Raises:
        TypeError, ValueError: no scope is named, or one twice.
    """

    def __init__(
        self,
        app: ASGIApp,
        *scopes: str,
        ready_at: str | None = None,
        margin: float = 0.0,
    ) -> None:
        lease(*scopes)
        self._app = app
        self._scopes = scopes
        self._ready_at = ready_at
        self._readiness = Readiness(*scopes, margin=margin)
        self._state: dict[str, Any] | None = None

    async def __call__(
        self, scope: MutableMapping[str, Any], receive: Receive, send: Send
    ) -> None:
        """Serve, as ASGI wants it.

        Raises:
            NotLeased: the server did not run the lifespan.
        """
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        elif scope["type"] == "http" and scope["path"] == self._ready_at:
            await self._readiness(scope, receive, send)
        elif self._state is None:
            raise NotLeased(
                f"no lease of {', '.join(self._scopes)} is open: the server did not "
                "run the application's lifespan",
                remedy="turn it on (uvicorn: --lifespan on)",
            )
        else:
            scope["state"] = {**scope.get("state", {}), **self._state}
            await self._app(scope, receive, send)

    async def _live(
        self, scope: MutableMapping[str, Any], receive: Receive, send: Send
    ) -> None:
        inner = _Inner(await receive(), receive, send)
        try:
            async with opened(*self._scopes) as state:
                self._state = state
                await inner.live(self._app, scope)
        except MLSecretsError as error:
            if inner.begun:
                raise
            told = "lifespan.startup.failed"
            inner.last = {"type": told, "message": error.diagnostics()}
        finally:
            self._state = None
            # Not before the leases have ended: the server then ends the process.
            if inner.last is not None:
                await send(inner.last)


class _Inner:
    """The application's own lifespan, as it looks from outside of the leases.

    Args:
        startup: the server's first message, which the application has not seen.
        receive: takes the others.
        send: tells the server.
    """

    def __init__(self, startup: Message, receive: Receive, send: Send) -> None:
        self._unheard = [startup]
        self._receive = receive
        self._send = send
        self._started = False
        self.begun = False
        #: Its last word, to be passed on when the leases have ended.
        self.last: Message | None = None

    async def live(self, app: ASGIApp, scope: MutableMapping[str, Any]) -> None:
        self.begun = True
        try:
            await app(scope, self._hear, self._tell)
        except Exception as error:
            if self._started or self.last is not None:
                raise
            # ASGI: an exception says that there is no lifespan, and is no failure.
            log.info("the application has no lifespan (%s)", type(error).__name__)
        if self.last is not None:
            return
        if not self._started:
            await self._send({"type": "lifespan.startup.complete"})
        while (await self._receive())["type"] != "lifespan.shutdown":
            pass
        self.last = {"type": "lifespan.shutdown.complete"}

    async def _hear(self) -> Message:
        return self._unheard.pop() if self._unheard else await self._receive()

    async def _tell(self, message: Message) -> None:
        if message["type"] == "lifespan.startup.complete":
            self._started = True
            await self._send(message)
        else:
            self.last = message
