"""Leases for hosts whose hooks block: `opened` without coroutines."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from mlsecrets import Bundle, MLSecretsError, hand_over, lease

from ._together import meet_siblings

log = logging.getLogger("mlsecrets")


@contextmanager
def held(*scopes: str) -> Iterator[Bundle]:
    """Hold scopes, together with the other processes of this server.

    Args:
        scopes: names from the manifest.

    It raises what `lease` raises.
    """
    meet_siblings()
    with ExitStack() as stack:
        stack.callback(hand_over)  # last of all: its workers may hold them still
        try:
            leases = {scope: stack.enter_context(lease(scope)) for scope in scopes}
        except MLSecretsError as error:
            # Hosts print the message; the remedy is ours to tell.
            log.error("%s", error.diagnostics())
            raise
        yield Bundle(leases)
