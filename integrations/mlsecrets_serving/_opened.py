"""Leases for the life of a server, and what its requests see of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mlsecrets import Bundle, MLSecretsError, hand_over, lease

from ._together import meet_siblings

log = logging.getLogger("mlsecrets")


@asynccontextmanager
async def opened(*scopes: str) -> AsyncIterator[dict[str, Any]]:
    """Hold scopes while the event loop goes on; gives the state of each request.

    ``leases`` is a `Bundle` by scope name; ``lease`` is there too if there is only one.
    """
    meet_siblings()
    block = lease(*scopes)
    try:
        creds = await block.__aenter__()
    except MLSecretsError as error:
        # Servers print the message; the remedy is ours to tell.
        log.error("%s", error.diagnostics())
        raise
    try:
        yield (
            {"leases": creds}
            if isinstance(creds, Bundle)
            else {"leases": Bundle({scopes[0]: creds}), "lease": creds}
        )
    finally:
        await block.__aexit__(None, None, None)
        # Workers of this server may hold them still; it is not known how it ends us:
        # uvicorn sends each of its workers SIGTERM once more, which runs nothing.
        await asyncio.to_thread(hand_over)
