"""Keeps live secrets out of notebooks.

::

    %load_ext mlsecrets_ipython

From then on, whatever the kernel sends to its front ends (results, displays, prints,
tracebacks, widgets) is searched for live secrets before it is sent, and a text that
holds one is replaced by a line that says which secret was withheld. So it is not shown,
and not saved in the ``.ipynb``. The same goes for ``Out``, for IPython's history of
inputs and outputs, and so for ``history.sqlite``. ``%unload_ext mlsecrets_ipython``
ends it.

It is a net and no wall: it does not see a secret that is printed in pieces, binary
buffers of widgets, or what forked children print. A terminal has no kernel: there,
results and displays are searched, and prints are not, for nothing saves them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._guard import Guard

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = ["load_ipython_extension", "unload_ipython_extension"]

_guards: dict[int, Guard] = {}


def load_ipython_extension(shell: InteractiveShell) -> None:
    """``%load_ext mlsecrets_ipython``: search what this shell shows and remembers."""
    if id(shell) not in _guards:
        _guards[id(shell)] = Guard(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """``%unload_ext mlsecrets_ipython``: leave the shell as it was."""
    guard = _guards.pop(id(shell), None)
    if guard is not None:
        guard.close()
