"""The actor that owns one node's leases, in a process of its own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from typing import Any

from mlsecrets import Lease, configure, hand_over, lease
from mlsecrets.errors import MLSecretsError, NotLeased

from ._hook import JOB, job_here


class NodeOwner:
    """Holds leases for the processes of its node until it is told to end them.

    Neither its arguments nor its answers hold a secret: Ray keeps both.

    Args:
        scopes: names from the manifest.
        manifest: its path on this node; None to look as `lease` does.
        options: for `mlsecrets.configure`.
    """

    def __init__(
        self, scopes: tuple[str, ...], manifest: str | None, options: Mapping[str, Any]
    ) -> None:
        self._scopes = scopes
        self._held: ExitStack | None = None
        self._leases: Any = None
        os.environ[JOB] = job_here() or ""
        configure(manifest, **options)
        # Whoever asks is told: an actor that fails here would not be started again.
        with suppress(MLSecretsError):
            self.serve()

    def serve(self) -> int:
        """Hold the leases, unless they are held already; this process's id.

        Raises:
            MLSecretsError: what `lease` raises.
        """
        if self._held is None:
            with ExitStack() as held:
                blocks = {scope: lease(scope) for scope in self._scopes}
                self._leases = {
                    scope: held.enter_context(block) for scope, block in blocks.items()
                }
                self._held = held.pop_all()
        return os.getpid()

    def end(self) -> dict[str, str]:
        """End them, also those that other processes hold; each's report as a text."""
        held, self._held = self._held, None
        if held is None:
            return {}
        held.close()
        ended = hand_over()
        return {
            scope: str(ended.get(scope) or _report(lease))
            for scope, lease in self._leases.items()
        }


def _report(lease: Lease) -> str:
    try:
        return str(lease.report)
    except NotLeased:
        return "others held it until this process ended: a keeper, or who took it over"
