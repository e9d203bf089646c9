"""KServe: models that hold leases from load to stop.

::

    from kserve import Model, ModelServer
    from mlsecrets_serving.kserve import LeasedModel

    class Digits(LeasedModel, Model):
        scopes = ("models",)

        def load(self) -> bool:
            super().load()                            # the leases are open from here on
            with fsspec.open("s3://models/digits.bin") as file:
                self.weights = file.read()
            return self.ready

    model = Digits("digits")
    model.load()
    ModelServer().start([model])

KServe sends models to its workers by pickle: these read the leases of the process that
has loaded them.
"""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, ClassVar

from mlsecrets import Bundle
from mlsecrets.storage.worker_s3 import route_plain_s3

from ._held import held
from ._recent import Recent

#: Set in the process that opened the leases, and in no other.
_HELD = "_leases_held"


class LeasedModel:
    """To be named before `Model` among the bases of a model.

    Not healthy while a lease is not valid: KServe then answers 503 for it, to probes
    and to requests.

    Attributes:
        scopes: names from the manifest, said by the model's class.
        leases: the leases by scope name, once `load` has opened them.
    """

    scopes: ClassVar[tuple[str, ...]]
    leases: Bundle

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._leases_held = ExitStack()
        self._leases_validity = Recent(*self.scopes)

    def __getstate__(self) -> Mapping[str, Any]:
        return {name: value for name, value in vars(self).items() if name != _HELD}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        vars(self).update(state)
        route_plain_s3()

    def load(self) -> bool:
        """Open the leases; one that overrides this calls it first.

        It raises what `lease` raises.
        """
        self.leases = self._leases_held.enter_context(held(*self.scopes))
        return bool(super().load())  # type: ignore[misc]  # Model's

    def stop(self) -> None:
        """Give the leases back; those that workers still read end with the process.

        KServe calls it in a signal handler, so something else gives them back.
        """
        super().stop()  # type: ignore[misc]  # Model's
        opened = vars(self).get(_HELD)
        # While there are workers they are still answering requests.
        if opened is not None and not multiprocessing.active_children():
            threading.Thread(target=opened.close, name="mlsecrets-kserve").start()

    async def healthy(self) -> bool:
        """Whether it is ready, and its leases are valid."""
        healthy = await super().healthy()  # type: ignore[misc]  # Model's
        return bool(healthy) and await self._leases_validity.ready()
