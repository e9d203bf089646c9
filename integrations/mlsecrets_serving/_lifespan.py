"""`lifespan`: leases for as long as a FastAPI or Starlette application serves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

from mlsecrets import lease

from ._opened import opened

Lifespan = Callable[[Any], AbstractAsyncContextManager[Any]]


def lifespan(*scopes: str, inner: Lifespan | None = None) -> Lifespan:
    """Hold scopes from before the first request until after the last one.

    ::

        app = FastAPI(lifespan=lifespan("models"))

        @app.get("/predict")
        def predict(request: Request):
            files = request.state.lease.filesystem()

    The server does not accept before the leases are there; if they cannot be had it
    says why, and does not start. They are revoked when it has answered what it had
    accepted. ``request.state.lease`` is the lease, if one scope is named;
    ``request.state.leases`` is always there, by scope name.

    Processes of one supervisor (``uvicorn --workers``) share one owner: see
    ``docs/serving.md``.

    Args:
        scopes: names from the manifest.
        inner: the application's own lifespan, entered inside of the leases; what it
            yields is part of the state, too.

    Raises:
        TypeError, ValueError: no scope is named, or one twice.
    """
    lease(*scopes)  # what cannot be meant is refused here, not when the server starts

    @asynccontextmanager
    async def leased(app: Any) -> AsyncIterator[Mapping[str, Any]]:
        async with AsyncExitStack() as stack:
            state = await stack.enter_async_context(opened(*scopes))
            own = await stack.enter_async_context(inner(app)) if inner else None
            yield {**state, **(own or {})}

    return leased
