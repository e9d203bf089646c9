"""Badges that follow their leases: renewed, doomed, ended, wherever they are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlsecrets import Bundle, Lease

from ._badge import Badge
from ._followed import Followed

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


class Displays:
    """Shows the leases of one shell: each that is displayed is a badge that follows it.

    Args:
        shell: a kernel's, which can update what it has shown; or a terminal's, which
            cannot, and shows each lease as it is at the moment.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self._live = getattr(shell, "kernel", None) is not None
        # The kernel's own, whatever `%%capture` puts into its place meanwhile.
        self._update = shell.display_pub.publish
        self._followed: dict[str, Followed] = {}
        formatter: Any = shell.display_formatter
        self._formatter = formatter.ipython_display_formatter
        self._formatter.for_type(Lease, self.show)
        self._formatter.for_type(Bundle, self._show_all)

    def close(self) -> None:
        """Show leases as any other object again; badges on show stay as they are."""
        self._formatter.pop(Lease)
        self._formatter.pop(Bundle)
        for followed in self._followed.values():
            followed.leave()
        self._followed.clear()

    def show(self, lease: Lease) -> None:
        """Display a badge; once in a cell, so that a result is not shown twice."""
        followed = self._followed.get(lease.scope)
        if followed is None or not followed.follows(lease):
            if followed is not None:
                followed.leave()
            followed = Followed(lease, self._repaint if self._live else None)
            self._followed[lease.scope] = followed
        cell = self._shell.execution_count
        if followed.shown_in != cell:
            followed.shown_in = cell
            followed.paint(self._publish)

    def say(self, text: str) -> None:
        """Display a line of text."""
        self._shell.display_pub.publish({"text/plain": text})

    def _show_all(self, bundle: Bundle) -> None:
        for scope in bundle:
            self.show(bundle[scope])

    def _publish(self, badge: Badge, name: str) -> None:
        bundle = badge._repr_mimebundle_()
        self._shell.display_pub.publish(bundle, transient={"display_id": name})

    def _repaint(self, badge: Badge, name: str) -> None:
        bundle = badge._repr_mimebundle_()
        self._update(bundle, transient={"display_id": name}, update=True)
