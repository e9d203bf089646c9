"""The actor that owns one node's leases, in a process of its own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from typing import Any

from mlsecrets import Lease, configure, lease
from mlsecrets.clock import SYSTEM_CLOCK, pause
from mlsecrets.errors import MLSecretsError, NotLeased

from ._hook import JOB, job_here

#: The report of a lease that others hold beyond the end of the block.
HELD = "processes of its node still held it: it was ended with its owner's process"
#: Seconds between looks whether a process has ended.
POLL = 0.05


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
        """Let go of them; each scope's report as a text.

        They are revoked and wiped, unless another process holds them as well: then that
        comes with `leave`.
        """
        held, self._held = self._held, None
        if held is None:
            return {}
        held.close()
        return {scope: _report(lease) for scope, lease in self._leases.items()}

    def leave(self) -> None:
        """End this process in good order, and with it what others still hold."""
        import ray

        ray.actor.exit_actor()


def await_end(pid: int) -> None:
    """Return once a process of this node has ended."""
    with suppress(ProcessLookupError):
        while True:
            os.kill(pid, 0)  # asks whether it is there, and does nothing to it
            pause(SYSTEM_CLOCK, POLL)


def _report(held: Lease) -> str:
    try:
        return str(held.report)
    except NotLeased:
        return HELD
