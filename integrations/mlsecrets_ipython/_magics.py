"""`%lease`, `%%lease` and `%release`."""

from __future__ import annotations

import keyword
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from mlsecrets import Bundle, Lease, MLSecretsError, hold, lease, open_scopes, release
from mlsecrets.errors import NotLeased

from . import _cell
from ._displays import Displays

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


class LeaseMagics:
    """The magics of one shell, until they are closed.

    Args:
        shell: whose.
        displays: shows the leases.
    """

    def __init__(self, shell: InteractiveShell, displays: Displays) -> None:
        self._shell = shell
        self._displays = displays
        self._held: dict[str, Lease] = {}
        self._magics: list[tuple[str, str, Callable[..., Any]]] = [
            ("line", "lease", self.lease),
            ("cell", "lease", self.lease_cell),
            ("line", "release", self.release),
        ]
        for kind, name, function in self._magics:
            shell.magics_manager.register_function(function, kind, name)

    def close(self) -> None:
        """Take the magics away; what they hold stays held until the kernel ends."""
        for kind, name, _ in self._magics:
            self._shell.magics_manager.magics[kind].pop(name, None)

    def lease(self, line: str) -> Lease | Bundle | None:
        """Hold scopes until `%release` or the end of the kernel; or list what is held.

        ::

            data = %lease train-data
            creds = %lease train-data checkpoints
            %lease

        One scope gives its lease, several a bundle of them by name.
        """
        __tracebackhide__ = True
        scopes = line.split()
        if not scopes:
            self._list()
            return None
        with _briefly():
            leases = self._hold(scopes)
        for held in leases.values():
            self._displays.show(held)
        return next(iter(leases.values())) if len(leases) == 1 else Bundle(leases)

    def lease_cell(self, line: str, cell: str) -> None:
        """Hold scopes while this cell runs; they end with it, however that is.

        ::

            %%lease train-data checkpoints --as creds
            fs = creds["train-data"].filesystem()
        """
        __tracebackhide__ = True
        scopes, name = _arguments(line)
        with ExitStack() as stack:
            with _briefly():
                held = stack.enter_context(lease(*scopes))
            for each in [held[scope] for scope in held] if len(scopes) > 1 else [held]:
                self._displays.show(each)
            if name is not None:
                self._shell.user_ns[name] = held
            _cell.run(self._shell, cell)

    def release(self, line: str) -> None:
        """End what `%lease` holds: the scopes that are named, or all of them.

        ::

            %release train-data
            %release
        """
        __tracebackhide__ = True
        scopes = line.split()
        with _briefly():
            held = {scope: lease for scope, lease in self._held.items() if lease.open}
            for scope in scopes or held:
                if scope not in held and scope not in _open():
                    raise NotLeased(
                        f"no lease of {scope!r} is open here",
                        remedy="%lease lists what is",
                    )
                release(scope)
                self._held.pop(scope, None)
                self._displays.say(_end(scope, held.get(scope)))

    def _hold(self, scopes: Sequence[str]) -> dict[str, Lease]:
        """All of them, or none that was not held before."""
        leases: dict[str, Lease] = {}
        begun = []
        try:
            for scope in scopes:
                known = self._held.get(scope)
                leases[scope] = held = hold(scope)
                if held is not known:
                    begun.append(scope)
                    self._held[scope] = held
        except BaseException:
            for scope in begun:
                release(scope)
                del self._held[scope]
            raise
        return leases

    def _list(self) -> None:
        with _briefly():
            names = _open()
        for name in names:
            held = self._held.get(name)
            if held is not None and held.open:
                self._displays.show(held)
            else:
                self._displays.say(f"{name}: open, by other means than %lease")
        if not names:
            self._displays.say("no lease is open; %lease SCOPE holds one")


def _open() -> list[str]:
    return [view.name for view in open_scopes()]


def _end(scope: str, held: Lease | None) -> str:
    """What became of a lease that was let go of, as far as it is known here."""
    if scope in _open():
        return f"{scope}: let go of; a block or another process holds it still"
    if held is None or not held.report.ended:
        return f"{scope}: ended"
    return "\n".join(f"{scope}: {end}" for end in held.report.ended)


def _arguments(line: str) -> tuple[list[str], str | None]:
    scopes, name = line.split(), None
    if "--as" in scopes:
        at = scopes.index("--as")
        names, scopes = scopes[at + 1 :], scopes[:at]
        name = names[0] if len(names) == 1 else ""
        if not name.isidentifier() or keyword.iskeyword(name):
            raise UsageError("after --as there is one Python name, at the line's end")
    if not scopes:
        raise UsageError("%%lease SCOPE [SCOPE ...] [--as NAME]")
    return scopes, name


@contextmanager
def _briefly() -> Iterator[None]:
    """Have an error of ours shown as its message and remedy, without the traceback."""
    __tracebackhide__ = True
    try:
        yield
    except MLSecretsError as error:
        # IPython asks the error itself how to show it.
        vars(error)["_render_traceback_"] = error.diagnostics().splitlines
        raise
