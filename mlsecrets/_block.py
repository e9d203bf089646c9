"""`lease`: the with block; and `hold`: a lease for hosts that have none."""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, TypeVar

from ._bundle import Bundle
from ._crossing import entered
from ._current import current
from ._forks import after_fork, notice
from ._lease import Lease
from ._opening import close_leases, open_lease, shared_lease
from ._reference import views
from .errors import NotLeased
from .report import ExitReport
from .view import ScopeView

F = TypeVar("F", bound=Callable[..., Any])


class lease:  # noqa: N801  read as a verb: with lease("train-data")
    """Hold scopes for a block: fetched at its start, renewed in it, ended with it.

    Works in ``with`` and ``async with``, and as a decorator of functions and coroutine
    functions. One scope gives its `Lease`, several a `Bundle` of them by name::

        with lease("train-data", "mlflow") as creds:
            fs = creds["train-data"].filesystem()

    Credentials are revoked and wiped however the block is left: normally, by an
    exception, by Ctrl-C. In a worker process that was started inside such a block, the
    leases are read from the process that owns them, without a call to the issuer.

    Args:
        scopes: names from the manifest.

    Raises:
        ManifestNotFound, ManifestError, UnknownScope: what was asked cannot be meant.
        IdentityError, IssuerError: it could not be had; nothing stays open.
    """

    def __init__(self, *scopes: str) -> None:
        if not scopes or not all(isinstance(scope, str) for scope in scopes):
            raise TypeError('lease takes scope names, such as lease("train-data")')
        if len(set(scopes)) != len(scopes):
            raise ValueError(f"lease was given a scope twice: {', '.join(scopes)}")
        self._scopes = scopes
        self._leases: dict[str, Lease] | None = None

    def __enter__(self) -> Any:
        if self._leases is not None:
            raise RuntimeError("this lease is already entered; make another")
        leases: dict[str, Lease] = {}
        try:
            for scope in self._scopes:
                leases[scope] = open_lease(scope)
        except BaseException:
            close_leases(*leases.values())
            raise
        self._leases = leases
        return next(iter(leases.values())) if len(leases) == 1 else Bundle(dict(leases))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leave()

    def _leave(self) -> None:
        leases, self._leases = self._leases, None
        if leases is not None:
            close_leases(*leases.values())

    async def __aenter__(self) -> Any:
        return await entered(self.__enter__, self._leave)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # Shielded: a task that is cancelled here would not learn what was revoked.
        await asyncio.shield(asyncio.to_thread(self._leave))

    def __call__(self, function: F) -> F:
        """Lease the scopes around every call of a function."""
        scopes = self._scopes
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def leased(*args: Any, **kwargs: Any) -> Any:
                async with lease(*scopes):
                    return await function(*args, **kwargs)

        else:

            @functools.wraps(function)
            def leased(*args: Any, **kwargs: Any) -> Any:
                with lease(*scopes):
                    return function(*args, **kwargs)

        return leased  # type: ignore[return-value]  # same signature by functools.wraps

    def __repr__(self) -> str:
        return f"lease({', '.join(map(repr, self._scopes))})"


_held: dict[str, Lease] = {}
_lock = threading.Lock()


def hold(scope: str) -> Lease:
    """An open lease shared by name, for hosts that give no block to put it around.

    While a block leases the scope it is that lease, and ends with it; else it stays
    open until `release` or the end of the process. MLflow's provider and notebooks use
    it.

    Args:
        scope: a name from the manifest.

    It raises what `lease` raises.
    """
    notice()
    with _lock:
        held = _held.get(scope)
        if held is not None and held.open:
            return held
        shared = shared_lease(scope)
        if shared is not None:
            return shared
        held = _held[scope] = open_lease(scope)
        return held


def join(scope: str) -> Lease:
    """`hold` a lease that is open, here or in the owning process; open none.

    For a process that is to do more than a worker may, such as a rank that writes, and
    for hosts that have no place from which to end what `hold` might open. Until
    `release`, or the end of the process; the issuer is not called.

    Args:
        scope: its name.

    Raises:
        NotLeased: it is not open; the message says what is.
        OwnerGone: this is a worker, and its owner does not answer.
    """
    known = [view.name for view in open_scopes()]
    if scope not in known:
        raise NotLeased(
            f"no lease of {scope} is open; open: {', '.join(known) or 'none'}",
            remedy="open one around the whole program, in the driver if it has one: "
            f'with lease("{scope}"): …',
        )
    return hold(scope)


def release(scope: str) -> None:
    """End what `hold` or `join` holds; no effect if it holds nothing of that name."""
    with _lock:
        held = _held.pop(scope, None)
    if held is not None:
        close_leases(held)


def hand_over() -> Mapping[str, ExitReport]:
    """Give up what this process owns and only other processes hold still.

    As happens at its exit: they find another owner among themselves, within seconds,
    and what this one had is ended. For hosts that know that their process is done, and
    may end it in a way that runs no exit handlers. No effect while a block or a `hold`
    of this process holds any lease, or where another process owns them.

    Returns:
        What became of each lease that nobody took over.
    """
    session = current()
    return session.hand_over() if session is not None else {}


def open_scopes() -> tuple[ScopeView, ...]:
    """What this process can read leases of, its own and its owner's; opens none.

    For hosts that must choose a lease: by the address a request goes to, or by the
    object that a checkpoint is written to.

    Raises:
        OwnerGone: this is a worker, and its owner does not answer.
    """
    return views(fresh=True)


def _forget() -> None:
    # In a forked child what was held is the parent's, and the lock may be taken.
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()
    _held.clear()


after_fork(_forget)
