"""What `%load_ext` brings into a shell, and `%unload_ext` takes away again."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mlsecrets import MLSecretsError, open_scopes

from ._displays import Displays
from ._guard import Guard
from ._magics import LeaseMagics

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

#: Who owns the leases of a process that does not `configure` it.
KEEPER_VARIABLE = "MLSECRETS_KEEPER"


class Extension:
    """The guard, the badges and the magics of one shell, until it is closed."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._chose_keeper = _choose_keeper()
        self._guard = Guard(shell)
        self._displays = Displays(shell)
        self._magics = LeaseMagics(shell, self._displays)

    def close(self) -> None:
        """Leave the shell as it was; leases that are held stay so."""
        self._magics.close()
        self._displays.close()
        self._guard.close()
        if self._chose_keeper and os.environ.get(KEEPER_VARIABLE) == "process":
            del os.environ[KEEPER_VARIABLE]


def _choose_keeper() -> bool:
    """Have a keeper own the leases: kernels are killed as a matter of course.

    False if that has been decided already.
    """
    if KEEPER_VARIABLE in os.environ:
        return False
    try:
        if open_scopes():
            return False
    except MLSecretsError:  # another process owns them, and has gone
        return False
    os.environ[KEEPER_VARIABLE] = "process"
    return True
