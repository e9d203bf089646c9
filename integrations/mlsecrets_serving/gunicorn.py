"""gunicorn: its master owns the leases, its workers read them.

In ``gunicorn.conf.py``::

    from mlsecrets_serving.gunicorn import hooks

    globals().update(hooks("models"))
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from mlsecrets import configure, lease
from mlsecrets.errors import MLSecretsError

Hook = Callable[[Any], None]


def hooks(*scopes: str, **options: Any) -> dict[str, Hook]:
    """The server hooks of a gunicorn whose master holds scopes.

    They are leased before the first worker is forked; if they cannot be had the master
    says why, and ends. A reload (SIGHUP) leases what the configuration names then in
    addition. They are revoked when the last worker has ended: after SIGTERM, SIGINT and
    SIGQUIT. The master of an upgrade (SIGUSR2) has leases of its own.

    If the configuration has hooks of the same names, have them call these.

    Args:
        scopes: names from the manifest.
        options: for `mlsecrets.configure`, in the master and its workers, such as
            ``keeper="process"``, which revokes even if the master is killed. A reload
            does not change them.

    Returns:
        ``when_ready``, ``on_reload`` and ``on_exit``.

    Raises:
        TypeError, ValueError: no scope is named, or one twice; an option is wrong.
        ManifestError: the manifest given cannot be used.
    """
    lease(*scopes)
    if options and not _master.holds_any():
        configure(**options)

    def when_ready(server: Any) -> None:
        try:
            _master.hold(scopes)
        except MLSecretsError as error:
            server.halt(reason=error.diagnostics(), exit_status=1)

    def on_reload(server: Any) -> None:
        try:
            _master.hold(scopes)
        except MLSecretsError as error:
            # A master that ends would take down workers that serve.
            server.log.error("Not leased by the reload: %s", error.diagnostics())

    def on_exit(server: Any) -> None:
        _master.let_go()

    return {"when_ready": when_ready, "on_reload": on_reload, "on_exit": on_exit}


class _Master:
    """What a master holds; here, because each reload runs the configuration anew."""

    def __init__(self) -> None:
        self._pid = 0
        self._blocks = ExitStack()
        self._held: set[str] = set()

    def holds_any(self) -> bool:
        return self._pid == os.getpid() and bool(self._held)

    def hold(self, scopes: tuple[str, ...]) -> None:
        """Lease those that are not held yet, all or none."""
        missing = [scope for scope in scopes if scope not in self._held]
        if missing:
            self._blocks.enter_context(lease(*missing))
            self._held.update(missing)
            self._pid = os.getpid()

    def let_go(self) -> None:
        self._held.clear()
        self._blocks.close()


_master = _Master()
