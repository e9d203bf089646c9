"""The places of a shell where outputs pass, each replaced by one that looks first."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ._withhold import withhold

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


class Guard:
    """Looks at what one shell shows and remembers, until it is closed.

    In a kernel everything that leaves it is sent through one session, from whatever
    thread; the hooks that ipykernel offers are each thread's own. So it is the
    session's `send` that is wrapped. What IPython itself keeps is wrapped besides.
    """

    def __init__(self, shell: InteractiveShell) -> None:
        self._undo: list[Callable[[], None]] = []
        self._closed = False
        self._withheld = threading.local()  # other threads format what they display
        self._wrap(shell.display_formatter, "format", self._format)
        self._wrap(shell.displayhook, "update_user_ns", self._remember)
        self._wrap(shell.display_pub, "publish", self._publish)
        self._wrap(shell.history_manager, "store_inputs", self._store_inputs)
        kernel = getattr(shell, "kernel", None)
        if kernel is not None:
            self._wrap(kernel.session, "send", self._send)

    def close(self) -> None:
        """Let everything pass again, as it did before."""
        self._closed = True
        while self._undo:
            self._undo.pop()()

    def _wrap(self, owner: Any, name: str, look: Callable[..., Any]) -> None:
        """Have `look` called with the present method and its arguments."""
        present = getattr(owner, name)

        def guarded(*args: Any, **kwargs: Any) -> Any:
            if self._closed:  # somebody has wrapped this wrapper
                return present(*args, **kwargs)
            return look(present, *args, **kwargs)

        def undo() -> None:
            if vars(owner).get(name) is guarded:
                delattr(owner, name)
                if getattr(owner, name) != present:
                    setattr(owner, name, present)

        setattr(owner, name, guarded)
        self._undo.append(undo)

    def _format(self, present: Any, value: Any, *args: Any, **kwargs: Any) -> Any:
        """A result, or what `display` is called with."""
        data, metadata = present(value, *args, **kwargs)
        shown = withhold(data)
        self._withheld.last = None
        if shown is not data:
            line = shown.get("text/plain") or next(iter(shown.values()))
            self._withheld.last = id(value), line.strip()
        return shown, metadata

    def _remember(self, present: Any, result: Any) -> Any:
        """What goes into `Out` and `_`, right after it was formatted."""
        held = getattr(self._withheld, "last", None)
        self._withheld.last = None
        if held is not None and held[0] == id(result):
            result = held[1]
        return present(result)

    def _publish(self, present: Any, data: Any, *args: Any, **kwargs: Any) -> Any:
        """A display whose formats its maker chose."""
        return present(withhold(data), *args, **kwargs)

    def _store_inputs(
        self, present: Any, line_num: int, source: str, source_raw: str | None = None
    ) -> Any:
        """The text of a cell; the notebook's own copy is the front end's."""
        raw = None if source_raw is None else withhold(source_raw)
        return present(line_num, withhold(source), raw)

    def _send(
        self,
        present: Any,
        stream: Any,
        msg_or_type: Any,
        content: Any = None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """A message of any type: its content is all that front ends show or save."""
        if isinstance(msg_or_type, dict):
            inner = msg_or_type.get("content")
            msg_or_type = {**msg_or_type, "content": withhold(inner)}
        return present(stream, msg_or_type, withhold(content), *args, **kwargs)
