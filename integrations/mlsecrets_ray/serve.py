"""Ray Serve: replicas that hold leases, and are healthy while those are valid."""

from __future__ import annotations

import asyncio

from mlsecrets import Lease, hold, join, release


class LeasedDeployment:
    """A base class for deployments that need leases for as long as they serve.

    ::

        @serve.deployment(num_replicas=4)
        class Model(LeasedDeployment):
            def __init__(self, url: str) -> None:
                super().__init__("models")
                with fsspec.open(url) as file:      # "leases3://models/digits.bin"
                    self.model = load(file)

    Replicas on one node share one lease: they join their node's owner, be it that of
    `leased` or the first of them. A replica whose lease is not valid is unhealthy, so
    Serve replaces it, and sends it no requests once that is noticed. What needs
    credentials only to load takes ``with lease("models"):`` in its ``__init__``.

    A class with a ``check_health`` or ``__del__`` of its own calls ours.

    Args:
        scopes: the leases to hold.

    It raises what `lease` raises; the replica then does not start.
    """

    #: What is held, by scope. Serve calls ``__del__`` even if nothing was.
    leases: dict[str, Lease]

    def __init__(self, *scopes: str) -> None:
        self.leases = {}
        try:
            for scope in scopes:
                self.leases[scope] = hold(scope)
        except BaseException:
            self._leave()
            raise

    async def check_health(self) -> None:
        """What Serve asks every ten seconds; the event loop goes on meanwhile.

        Raises:
            NotLeased, LeaseExpired, OwnerGone: a lease is not valid any more.
        """
        await asyncio.to_thread(self._check)

    def __del__(self) -> None:
        # Serve calls it once, when requests under way have been answered.
        self._leave()

    def _check(self) -> None:
        for scope in tuple(self.leases):
            # The owner is asked: what is at hand may have been revoked by it.
            join(scope).snapshot()

    def _leave(self) -> None:
        held, self.leases = getattr(self, "leases", {}), {}
        for scope in held:
            release(scope)
