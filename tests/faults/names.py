"""A host name that only this process can resolve, and that can be lost."""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import Any
from unittest import mock


class Name:
    """Makes a made-up host name mean 127.0.0.1 for as long as the block lasts.

    ::

        with Name("bao.test") as name:
            name.error = socket.EAI_AGAIN  # the resolver has no server to ask
            name.error = None
            name.silent = True  # it does not answer at all

    Attributes:
        host: the name.
        error: what the resolver says instead: EAI_AGAIN, EAI_NONAME, ...
        asked: how often it was asked.
    """

    def __init__(self, host: str) -> None:
        self.host = host
        self.error: int | None = None
        self.asked = 0
        self._answers = threading.Event()
        self._answers.set()
        self._patch = mock.patch.object(socket, "getaddrinfo", self._getaddrinfo)

    def __enter__(self) -> Name:
        self._real = socket.getaddrinfo
        self._patch.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._answers.set()
        self._patch.stop()

    @property
    def silent(self) -> bool:
        """Whether the resolver keeps everybody waiting."""
        return not self._answers.is_set()

    @silent.setter
    def silent(self, silent: bool) -> None:
        if silent:
            self._answers.clear()
        else:
            self._answers.set()

    def _getaddrinfo(self, host: Any, *args: Any, **kwargs: Any) -> Any:
        numeric = kwargs.get("flags", 0) & socket.AI_NUMERICHOST
        if host != self.host or numeric:
            return self._real(host, *args, **kwargs)
        self.asked += 1
        self._answers.wait()
        if self.error is not None:
            raise socket.gaierror(self.error, "no answer for this name")
        return self._real("127.0.0.1", *args, **kwargs)
