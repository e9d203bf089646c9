"""This process's one session, and how it was configured."""

from __future__ import annotations

import atexit
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from ._listeners import Callback
from ._live import PATIENCE
from ._session import Options, Session
from ._shredding import Sweeping
from .clock import SYSTEM_CLOCK, Clock
from .errors import LeaseError
from .events import Journal
from .manifest import find, load

#: What memory is swept for, if `configure` does not say.
SWEEPING: Sweeping = "revealed"
#: Where events are written, if `configure` does not say.
JOURNAL_VARIABLE = "MLSECRETS_JOURNAL"


@dataclass(frozen=True)
class _Settings:
    manifest: Path | None = None
    journal: Path | None = None
    options: Options = Options()  # noqa: RUF009  it is frozen
    clock: Clock = SYSTEM_CLOCK


_lock = threading.Lock()
_settings = _Settings()
_session: Session | None = None


def configure(  # noqa: PLR0913  one keyword for each thing that can be said
    manifest: str | os.PathLike[str] | None = None,
    *,
    journal: str | os.PathLike[str] | None = None,
    sweep: Sweeping | None = None,
    harden: bool = False,
    on_sigterm: Literal["exit"] | None = None,
    on_outage: Literal["raise", "wait"] = "raise",
    outage_limit: float = 3600.0,
    on_event: Callback | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> None:
    """Say how this process leases; every call replaces all of it.

    Args:
        manifest: the path of ``mlsecrets.toml``. If absent, the file is looked for at
            each first lease: 1. ``MLSECRETS_CONFIG``, 2. upwards from the working
            directory.
        journal: append events to this file as JSON lines; else the file that
            ``MLSECRETS_JOURNAL`` names; else they are kept in memory only.
        sweep: what this process's memory is swept for when leases end, from a helper
            process: ``"revealed"`` (the default) for what a library insisted on having
            as a string; ``"always"`` for every secret of the last generation too, which
            proves that there is nothing; ``"never"``. A sweep takes about a second, and
            two more per gigabyte.
        harden: while a lease is open, refuse debuggers of the same user and core dumps
            (`PR_SET_DUMPABLE`, `RLIMIT_CORE`). That also hides ``/proc/PID`` from
            profilers such as py-spy. Restored when the last lease ends.
        on_sigterm: ``"exit"`` turns SIGTERM into `SystemExit` while a lease is open, so
            that blocks are left and credentials revoked. Only where nobody handles
            SIGTERM yet: Lightning and most servers do.
        on_outage: what readers get from a lease that has expired because its issuer is
            away: ``"raise"`` `LeaseExpired` after ten seconds of trying, or ``"wait"``
            until the issuer is back: training pauses instead of dying. An issuer that
            refuses is not away: that is raised at once.
        outage_limit: seconds past its end for which a lease is waited for with
            ``"wait"``; then `LeaseExpired` is raised after all.
        on_event: called with every `Event` of every lease and login, in order, on a
            thread of its own; what it raises is logged by its type and ends nothing.
        clock: for tests.

    Raises:
        ValueError: an argument is none of those that are possible.
        ManifestError: the manifest given cannot be used.
        LeaseError: a lease is open; its terms cannot change under it.
    """
    global _settings, _session  # noqa: PLW0603  this module is where the process keeps it
    patience = _patience(on_outage, outage_limit)
    sweeping = SWEEPING if sweep is None else sweep
    if sweeping not in get_args(Sweeping):
        expected = ", ".join(map(repr, get_args(Sweeping)))
        raise ValueError(f"sweep is one of {expected}, got {sweep!r}")
    path = None if manifest is None else Path(manifest).absolute()
    if path is not None:
        load(path)
    with _lock:
        if _session is not None and _session.views():
            raise LeaseError(
                "configure() was called while a lease is open",
                remedy="configure before the first lease, or after the last has ended",
            )
        if _session is not None:
            _session.listeners.close()
            _session.journal.close()
        _session = None
        _settings = _Settings(
            path,
            None if journal is None else Path(journal).absolute(),
            Options(
                sweeping,
                harden,
                on_sigterm == "exit",
                patience,
                on_event,
            ),
            clock,
        )


def session() -> Session:
    """The session to lease from; the manifest is read anew while nothing is leased.

    Raises:
        ManifestNotFound, ManifestError: there is no usable manifest.
    """
    global _session  # noqa: PLW0603
    with _lock:
        if _session is not None and _session.busy:
            return _session
        manifest = load(find(_settings.manifest, os.environ, Path.cwd()))
        if _session is None:
            path = _settings.journal or os.environ.get(JOURNAL_VARIABLE)
            journal = Journal(Path(path) if path else None)
        else:
            if _session.manifest.digest == manifest.digest:
                return _session
            journal = _session.journal
            _session.listeners.close()
        _session = Session(
            manifest,
            clock=_settings.clock,
            journal=journal,
            options=_settings.options,
        )
        return _session


def current() -> Session | None:
    """The session, if this process has one."""
    return _session


def _close() -> None:
    held = _session
    if held is not None:
        held.close()
        held.listeners.close()
        held.journal.close()


def _patience(on_outage: str, outage_limit: float) -> float:
    if on_outage not in {"raise", "wait"}:
        raise ValueError(f'on_outage is "raise" or "wait", got {on_outage!r}')
    if not outage_limit > 0:
        raise ValueError(f"outage_limit is a number of seconds, got {outage_limit!r}")
    return outage_limit if on_outage == "wait" else PATIENCE


def _forget() -> None:
    # A forked child owns no lease: it reads its parent's through the socket.
    global _lock, _session  # noqa: PLW0603
    _lock = threading.Lock()
    if _session is not None:
        _session.forget()
    _session = None


atexit.register(_close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
