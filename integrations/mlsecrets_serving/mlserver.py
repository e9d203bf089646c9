"""MLServer: models that hold leases from load to unload.

::

    from mlserver import MLModel
    from mlsecrets_serving.mlserver import LeasedModel

    class Digits(LeasedModel, MLModel):
        scopes = ("models",)

        async def load(self) -> bool:
            await super().load()                      # the leases are open from here on
            with fsspec.open("s3://models/digits.bin") as file:
                self.weights = file.read()
            return True

Each parallel worker holds them; the workers of one server share one owner.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any, ClassVar

from mlsecrets import Bundle

from ._opened import opened
from ._recent import Recent


class LeasedModel:
    """To be named before `MLModel` among the bases of a model.

    Not ready while a lease is not valid. MLServer never asks the workers of its pool
    whether they are (1.7: ``ParallelModel.ready`` is set once), so with
    ``parallel_workers`` above 0, its default, let balancers ask
    ``GET /v2/models/<name>/leases``: 200, or 503 while a lease is not valid.

    Attributes:
        scopes: names from the manifest, said by the model's class.
        leases: the leases by scope name, once `load` has opened them.
    """

    scopes: ClassVar[tuple[str, ...]]
    leases: Bundle

    def __init__(self, settings: Any) -> None:
        from mlserver.handlers import custom_handler  # type: ignore[import-not-found]

        self._loaded = False
        self._opened = AsyncExitStack()
        self._validity = Recent(*self.scopes)
        super().__init__(settings)  # type: ignore[call-arg]  # MLModel's

        async def lease_states() -> dict[str, Any]:
            return await self._states()

        path = f"/v2/models/{settings.name}/leases"
        #: Under its own name: that is how MLServer asks a worker for it.
        self.lease_states = custom_handler(path, "GET")(lease_states)

    @property
    def ready(self) -> bool:
        """Whether it is loaded, and its leases are valid."""
        return self._loaded and self._validity.now

    @ready.setter
    def ready(self, loaded: bool) -> None:
        self._loaded = loaded

    async def load(self) -> bool:
        """Open the leases; one that overrides this calls it first.

        It raises what `lease` raises; MLServer then does not serve the model.
        """
        state = await self._opened.enter_async_context(opened(*self.scopes))
        self.leases = state["leases"]
        await self._validity.look()
        watching = asyncio.create_task(self._validity.watch())
        self._opened.callback(watching.cancel)
        return bool(await super().load())  # type: ignore[misc]  # MLModel's

    async def unload(self) -> bool:
        """Give the leases back; one that overrides this calls it last."""
        try:
            return bool(await super().unload())  # type: ignore[misc]  # MLModel's
        finally:
            await self._opened.aclose()

    async def _states(self) -> dict[str, Any]:
        """What a balancer is told.

        Raises:
            MLServerError: with status 503; a lease is not valid.
        """
        from mlserver.errors import MLServerError  # type: ignore[import-not-found]

        answer = await self._validity.look()
        if answer.ready:
            return answer.to_dict()
        invalid = [state for state in answer.leases if not state.valid]
        told = ", ".join(f"{state.scope} ({state.problem})" for state in invalid)
        raise MLServerError(f"no valid lease of {told}", status_code=answer.status)
