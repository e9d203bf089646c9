"""This process's one session, and how it was configured."""

from __future__ import annotations

import atexit
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from ._broker._peers import Peers
from ._forks import after_fork, notice
from ._listeners import Callback
from ._live import PATIENCE
from ._session import Options, Session
from ._shredding import Sweeping
from ._signals import ignore_exit
from .clock import SYSTEM_CLOCK, Clock
from .errors import LeaseError
from .events import Journal
from .manifest import find, load

#: What memory is swept for, if `configure` does not say.
SWEEPING: Sweeping = "revealed"
#: Where events are written, if `configure` does not say.
JOURNAL_VARIABLE = "MLSECRETS_JOURNAL"
#: Who owns the leases, if `configure` does not say.
KEEPER_VARIABLE = "MLSECRETS_KEEPER"

Keeper = Literal["thread", "process"]


@dataclass(frozen=True)
class _Settings:
    manifest: Path | None = None
    journal: Path | None = None
    options: Options = Options()  # noqa: RUF009  it is frozen
    keeper: Keeper | None = None
    clock: Clock = SYSTEM_CLOCK


_lock = threading.Lock()
_settings = _Settings()
_session: Session | None = None
_leasing = False


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
    keeper: Keeper | None = None,
    peers: Peers = "user",
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
        keeper: who owns the leases: ``"thread"``, this process; or ``"process"``, a
            small process of its own, which is started when it is needed. It alone holds
            the identity and the logins, renews while this one is stopped, and revokes
            at once when this one dies, by whatever signal. If absent, the one that
            ``MLSECRETS_KEEPER`` names when a lease is opened; else ``"thread"``.
        peers: which processes of this user may read leases: ``"user"``, all of them;
            ``"descendants"``, those that a process of the job has started;
            ``"cgroup"``, those in its control group: its container, its SLURM step.
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
    if keeper is not None and keeper not in get_args(Keeper):
        raise ValueError(f'keeper is "thread" or "process", got {keeper!r}')
    if peers not in get_args(Peers):
        expected = ", ".join(map(repr, get_args(Peers)))
        raise ValueError(f"peers is one of {expected}, got {peers!r}")
    path = None if manifest is None else Path(manifest).absolute()
    if path is not None:
        load(path)
    with _lock:
        if _leasing or (_session is not None and _session.busy):
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
                peers,
            ),
            keeper,
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
        manifest = load(_manifest())
        if _session is None:
            journal = Journal(journal_path())
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
    notice()
    return _session


def options() -> Options:
    """How this process leases."""
    return _settings.options


def clock() -> Clock:
    """What this process reads time from."""
    return _settings.clock


def journal_path() -> Path | None:
    """The file that events are written to, if any."""
    path = _settings.journal or os.environ.get(JOURNAL_VARIABLE)
    return Path(path) if path else None


def wants_keeper() -> bool:
    """Whether leases are to be owned by a process of their own.

    Raises:
        LeaseError: the environment names no kind of keeper that there is.
    """
    keeper = _settings.keeper or os.environ.get(KEEPER_VARIABLE) or "thread"
    if keeper not in get_args(Keeper):
        raise LeaseError(
            f'{KEEPER_VARIABLE} is "thread" or "process", got {keeper!r}',
            remedy=f"set {KEEPER_VARIABLE} to one of them, or unset it",
        )
    return keeper == "process"


def manifest_path() -> Path:
    """The manifest's path, absolute, once it is known to be usable.

    Raises:
        ManifestNotFound, ManifestError: there is no usable manifest.
    """
    path = _manifest()
    load(path)
    return path


def set_leasing(*, leasing: bool) -> None:
    """Remember whether this process holds leases at another: `configure` waits."""
    global _leasing  # noqa: PLW0603
    _leasing = leasing


def _manifest() -> Path:
    return find(_settings.manifest, os.environ, Path.cwd())


def _close() -> None:
    ignore_exit()
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
    global _lock, _session, _leasing  # noqa: PLW0603
    _lock = threading.Lock()
    _leasing = False
    if _session is not None:
        _session.forget()
    _session = None


atexit.register(_close)
after_fork(_forget)
