"""LitServe: its health is that of its leases.

::

    import signal

    import litserve as ls
    from mlsecrets import lease
    from mlsecrets_serving.litserve import LeasedAPI

    class Model(LeasedAPI, ls.LitAPI):
        scopes = ("models",)

        def setup(self, device):
            self.model = load("leases3://models/resnet.safetensors", device)

    if __name__ == "__main__":
        # LitServe knows one way to end well, which is Ctrl-C.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with lease(*Model.scopes):
            ls.LitServer(Model()).run(port=8000)

The block is in the process that starts all others, the only one that outlives them: its
workers load the model before any server process or callback is there.
"""

from __future__ import annotations

from typing import ClassVar

from ._readiness import Readiness


class LeasedAPI:
    """A `LitAPI` that is healthy while its leases are valid; named before `LitAPI`.

    LitServe asks it for ``/health``, which answers 503 otherwise.

    Attributes:
        scopes: names from the manifest.
        margin: as for `Readiness`.
    """

    scopes: ClassVar[tuple[str, ...]] = ()
    margin: ClassVar[float] = 0.0
    _readiness: Readiness | None = None

    async def health(self) -> bool:
        """Whether requests may be sent."""
        # Made here: what is pickled for the workers is the rest of this.
        if self._readiness is None:
            self._readiness = Readiness(*self.scopes, margin=self.margin)
        return (await self._readiness.acheck()).ready
