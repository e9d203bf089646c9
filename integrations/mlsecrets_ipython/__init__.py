"""Leases in notebooks: magics, badges, and a guard that keeps secrets out of outputs.

::

    %load_ext mlsecrets_ipython
    data = %lease train-data

``%lease`` holds scopes until ``%release`` or the end of the kernel, however it ends:
from the moment it is loaded a keeper owns the kernel's leases, unless that was decided
before (``MLSECRETS_KEEPER``, ``configure(keeper=...)``, a lease that is open). A cell
that begins with ``%%lease`` holds them while it runs. A lease that is displayed is a
badge, which follows it: open, renewal failing, doomed, expired, ended.

Whatever the kernel sends to its front ends (results, displays, prints, tracebacks,
widgets) is searched for live secrets before it is sent, and a text that holds one is
replaced by a line that says which secret was withheld. So it is not shown, and not
saved in the ``.ipynb``. The same goes for ``Out``, for IPython's history of inputs and
outputs, and so for ``history.sqlite``. ``%unload_ext mlsecrets_ipython`` ends all this.

The guard is a net and no wall: it does not see a secret that is printed in pieces,
binary buffers of widgets, or what forked children print. A terminal has no kernel:
there, results and displays are searched, and prints are not, for nothing saves them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._extension import Extension

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["load_ipython_extension", "unload_ipython_extension"]

_loaded: dict[int, Extension] = {}


def load_ipython_extension(shell: InteractiveShell) -> None:
    """``%load_ext mlsecrets_ipython``: all of it, in this shell."""
    if id(shell) not in _loaded:
        _loaded[id(shell)] = Extension(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """``%unload_ext mlsecrets_ipython``: leave the shell as it was."""
    extension = _loaded.pop(id(shell), None)
    if extension is not None:
        extension.close()
