"""Counting readers, and wiping when the last of them has left."""

from __future__ import annotations

import contextlib
import os
import threading
from types import TracebackType

from ..errors import SecretBufferClosed
from ._pages import Pages


class Content:
    """The bytes and who is reading them; outlives the buffer until the last reader.

    The lock is re-entrant, because a signal handler or a finaliser may close the
    buffer in the very thread that is inside. For the same reason a reader is counted
    before it looks whether the buffer is closing: whoever closes then sees it.
    """

    __slots__ = ("closing", "lock", "pages", "pid", "readers", "wiped")

    def __init__(self, size: int) -> None:
        self.pages = Pages(size)
        self.pid = os.getpid()
        self.lock = threading.RLock()
        self.readers = 0
        self.closing = False
        self.wiped = False

    def enter(self) -> memoryview:
        """Count a reader in and give it the bytes; `leave` must follow.

        Raises:
            SecretBufferClosed: closed, or in a forked child.
        """
        if os.getpid() != self.pid:
            raise SecretBufferClosed(
                # The remedy is in the message, too: DataLoader passes on only that.
                "secret buffer read in a forked process, where it was wiped: send the "
                "lease or its reference, and read it there",
                remedy="send the lease or its reference, and read it in the child",
            )
        with self.lock:
            self.readers += 1
        if self.closing:
            self.leave()
            raise SecretBufferClosed("secret buffer read after it was closed")
        return self.pages.view

    def leave(self) -> None:
        """Count a reader out; the last one wipes if the buffer was closed meanwhile."""
        if os.getpid() != self.pid:
            return
        with self.lock:
            self.readers -= 1
            self._wipe_if_unread()

    def close(self) -> None:
        """Refuse readers from now on and wipe as soon as there are none."""
        if os.getpid() != self.pid:
            # Not ours to wipe, and the lock may be held for ever.
            self.closing = True
            return
        with self.lock:
            self.closing = True
            self._wipe_if_unread()

    def _wipe_if_unread(self) -> None:
        if self.closing and self.readers == 0 and not self.wiped:
            self.wiped = True
            self.pages.wipe()


class View:
    """The `with` block of one reader or writer."""

    __slots__ = ("_content", "_owner", "_readonly", "_view")

    def __init__(self, owner: object, content: Content, *, readonly: bool) -> None:
        self._owner = owner  # not dropped, and so not wiped, while the block runs
        self._content = content
        self._readonly = readonly
        self._view: memoryview | None = None

    def __enter__(self) -> memoryview:
        if self._view is not None:
            raise RuntimeError("this view of a secret buffer is already open")
        view = self._content.enter()
        self._view = view.toreadonly() if self._readonly else view[:]
        return self._view

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        view, self._view = self._view, None
        if view is None:
            return
        # Somebody who kept an array on top of the view will see zeros in it.
        with contextlib.suppress(BufferError):
            view.release()
        self._content.leave()
