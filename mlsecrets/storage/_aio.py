"""The same for aiobotocore, which s3fs signs with: where it awaits, we may wait."""

from __future__ import annotations

import asyncio
from typing import Any
from weakref import WeakKeyDictionary

from aiobotocore.credentials import AioCredentials
from aiobotocore.session import AioSession

from ..grant import Grant
from ..issuer import Source
from . import _forked  # noqa: F401  what it does, it does at forks
from ._clients import AsyncLeasedClient, based_on
from ._refusals import Refusals
from ._route import Router
from ._sign import LeaseCredentials, LockedCredentials, Provider, choose

#: Who is waiting for which lease, on which loop.
_waiting: WeakKeyDictionary[
    asyncio.AbstractEventLoop, dict[Source, asyncio.Task[Grant]]
] = WeakKeyDictionary()


async def _waited_for(source: Source) -> Grant:
    """A lease's next grant: one thread waits, however many requests of the loop do.

    Each on a thread of its own would fill the loop's pool, and hold up whatever else
    the program does there, for as long as the issuer is away.
    """
    tasks = _waiting.setdefault(asyncio.get_running_loop(), {})
    task = tasks.get(source)
    if task is None:
        task = tasks[source] = asyncio.create_task(asyncio.to_thread(source.snapshot))
        task.add_done_callback(lambda done: _forget(tasks, source, done))
    # Shielded: one request that is given up must not take the others' answer away.
    return await asyncio.shield(task)


def _forget(
    tasks: dict[Source, asyncio.Task[Grant]], source: Source, done: asyncio.Task[Grant]
) -> None:
    tasks.pop(source, None)
    # Looked at, or asyncio complains where every request has been given up.
    if not done.cancelled():
        done.exception()


class AsyncLeaseCredentials(LeaseCredentials, AioCredentials):
    """Read from a lease whenever something is signed, without holding up the loop."""

    reader = "s3fs"

    async def get_frozen_credentials(  # type: ignore[override]  # its twin awaits
        self,
    ) -> LockedCredentials:
        """The values of one whole generation.

        Only an expired lease waits, and then on a thread: the event loop goes on.
        """
        source = self.source()
        return self.freeze(source.peek() or await _waited_for(source))


class AsyncProvider(Provider):
    """What an aiobotocore session asks for credentials."""

    async def load(self) -> LeaseCredentials:  # type: ignore[override]  # its twin's shape
        """The lease's credentials."""
        return self._credentials


def retry_refused() -> Any:
    """A handler of ``needs-retry``: once, with new credentials; seconds to wait."""
    refusals = Refusals()

    async def handler(
        response: Any, operation: Any, request_dict: Any, **_: Any
    ) -> float | None:
        credentials = refusals.of_ours(response, operation, request_dict)
        if credentials is None:
            return None
        source, generation = credentials.source(), credentials.generation
        await asyncio.to_thread(source.invalidate, generation)
        return 0.0

    return handler


def lease_session(router: Router) -> AioSession:
    """An aiobotocore session whose S3 requests are signed by the leases of a router."""
    session = AioSession()
    provider = AsyncProvider(AsyncLeaseCredentials(None))
    session.get_component("credential_provider").insert_before("env", provider)
    session.register("creating-client-class.s3", based_on(AsyncLeasedClient))
    session.register("before-parameter-build.s3", _no_folders(router))
    session.register("before-parameter-build.s3", choose(router, AsyncLeaseCredentials))
    session.register("needs-retry.s3", retry_refused())
    return session


def _no_folders(router: Router) -> Any:
    """A handler that answers s3fs's questions about folders as S3 would.

    S3 has none, but s3fs asks for objects of their names, and deletes those too. A
    lease of ``run-*/*`` may not touch an object ``run-1``: where s3fs expects "not
    found", the store would say "forbidden".
    """

    def handler(params: Any, model: Any, **_: Any) -> None:
        bucket = params.get("Bucket", "")
        if model.name == "HeadObject" and router.is_folder(
            "read", bucket, params["Key"]
        ):
            raise FileNotFoundError(f"s3://{bucket}/{params['Key']}")
        if model.name == "DeleteObjects":
            objects = params["Delete"]["Objects"]
            real = [
                o for o in objects if not router.is_folder("write", bucket, o["Key"])
            ]
            params["Delete"] = {**params["Delete"], "Objects": real or objects}

    return handler
