"""BentoML: services whose processes hold leases, owned by the server's first one.

::

    import bentoml
    from mlsecrets_serving.bentoml import leased

    @bentoml.service(workers=2)
    @leased("models")
    class Digits:
        def __init__(self) -> None:
            with fsspec.open("s3://models/digits.bin") as file:
                self.weights = file.read()
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, TypeVar

from mlsecrets import lease

from ._held import held
from ._recent import Recent

Service = TypeVar("Service", bound=type)

#: What the server's first process holds, until it ends: no hook tells it of that.
_deployed = ExitStack()


def leased(*scopes: str) -> Callable[[Service], Service]:
    """Have a service's processes hold scopes: `self.leases`, from `__init__` on.

    The process that starts the workers opens them before it does, and owns them; they
    end with it. ``/readyz`` says 503 while a lease is not valid in the worker that is
    asked; a service's own ``__is_ready__`` is asked, too.

    Args:
        scopes: names from the manifest.

    Raises:
        TypeError, ValueError: no scope is named, or one twice.
    """
    lease(*scopes)  # what cannot be meant is refused here, not when the server starts

    def decorate(service: Service) -> Service:
        import bentoml  # type: ignore[import-not-found]

        def deploy() -> None:
            _deployed.enter_context(held(*scopes))

        def release(self: Any) -> None:
            self._leases_held.close()

        _open_before_init(service, scopes)
        _be_ready_while_valid(service)
        # Hooks run in the order of their names: after those of the service.
        service.zz_deploy_leases = bentoml.on_deployment(deploy)  # type: ignore[attr-defined]
        service.zz_release_leases = bentoml.on_shutdown(release)  # type: ignore[attr-defined]
        return service

    return decorate


def _open_before_init(service: Any, scopes: tuple[str, ...]) -> None:
    own = service.__init__

    @functools.wraps(own)
    def opening(self: Any, *args: Any, **kwargs: Any) -> None:
        with ExitStack() as stack:
            self.leases = stack.enter_context(held(*scopes))
            self._leases_validity = Recent(*scopes)
            own(self, *args, **kwargs)
            self._leases_held = stack.pop_all()

    service.__init__ = opening


def _be_ready_while_valid(service: Any) -> None:
    own = getattr(service, "__is_ready__", None)

    async def is_ready(self: Any) -> bool:
        if not await self._leases_validity.ready():
            return False
        if own is None:
            return True
        if inspect.iscoroutinefunction(own):
            return bool(await own(self))
        import anyio

        return bool(await anyio.to_thread.run_sync(own, self))

    service.__is_ready__ = is_ready
