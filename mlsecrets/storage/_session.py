"""What s3fs takes for an aiobotocore session: makes clients that sign with leases."""

from __future__ import annotations

from typing import Any

from .._forks import importing
from ._route import Router


class LeaseSession:
    """Creates aiobotocore clients, and imports aiobotocore only then.

    It is put into ``fsspec.config.conf`` when a block is entered, where most programs
    have not imported aiobotocore yet and some never will. Its pickle is the scope's
    name and its repr is stable, because fsspec caches file systems by it.
    """

    def __init__(self, scope: str | None = None) -> None:
        self.scope = scope

    def __repr__(self) -> str:
        return f"<LeaseSession {self.scope or 'any'}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return (LeaseSession, (self.scope,))

    def create_client(self, *args: Any, **kwargs: Any) -> Any:
        """A client context, as `aiobotocore.session.AioSession.create_client` gives."""
        with importing():  # a child forked in the middle could never import it
            from ._aio import lease_session

        return lease_session(Router(self.scope)).create_client(*args, **kwargs)
