"""What our clients have in addition to botocore's: a count, and a signer without key.

botocore lets a handler of ``creating-client-class`` put base classes before its own.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from ._flights import flight
from ._signers import AsyncChooser, Chooser


class LeasedClient:
    """Before botocore's `BaseClient`."""

    meta: Any
    _chooser: type[Chooser] = Chooser

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        events = self.meta.events
        # The first, because the first answer is the one that counts.
        events.register_first("choose-signer.s3", self._chooser(events))

    def _make_api_call(self, operation_name: str, api_params: Any) -> Any:
        # Not public, but where every instrumentation of botocore begins and ends.
        with flight(self):
            return super()._make_api_call(  # type: ignore[misc]  # it comes after
                operation_name, api_params
            )


class AsyncLeasedClient(LeasedClient):
    """Before aiobotocore's `AioBaseClient`."""

    _chooser = AsyncChooser

    async def _make_api_call(self, operation_name: str, api_params: Any) -> Any:
        loop = None
        with suppress(RuntimeError):  # another kind of loop: trio's
            loop = asyncio.get_running_loop()
        with flight(self, loop):
            return await super(LeasedClient, self)._make_api_call(  # type: ignore[misc]
                operation_name, api_params
            )


def based_on(kind: type[LeasedClient]) -> Any:
    """A handler of ``creating-client-class``."""

    def handler(base_classes: list[type], **_: Any) -> None:
        base_classes.insert(0, kind)

    return handler
