"""Asking for a host's addresses without waiting for longer than the call may take."""

from __future__ import annotations

import socket
import threading
from queue import Empty, SimpleQueue

from ._deadline import Deadline


def addresses(host: str, port: int, deadline: Deadline) -> list[str]:
    """The addresses of a host, in the system's order of preference; never empty.

    The system's resolver takes no timeout (by default it gives up after 5 s for each
    of two tries at each of up to three servers, resolv.conf(5)), so a thread waits for
    it, and is left alone if it takes too long.

    Raises:
        OSError: it has none, or nobody could say.
        TimeoutError: the resolver did not answer by the deadline.
    """
    try:
        # Costs no question where the host is an address already.
        return _unique(_ask(host, port, socket.AI_NUMERICHOST))
    except OSError:
        pass
    said: SimpleQueue[list[str] | OSError] = SimpleQueue()

    def ask() -> None:
        try:
            said.put(_unique(_ask(host, port)))
        except OSError as error:
            said.put(error)

    seconds = deadline.left()
    try:
        threading.Thread(target=ask, name="mlsecrets-resolve", daemon=True).start()
    except RuntimeError:
        # No thread is to be had: Python 3.12 starts none at the interpreter's exit,
        # where leases that were held are still to be revoked.
        ask()
    try:
        found = said.get(timeout=seconds)
    except Empty:
        raise TimeoutError("the resolver did not answer") from None
    if isinstance(found, OSError):
        raise found
    return found


def _ask(host: str, port: int, flags: int = 0) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    except UnicodeError:
        raise OSError("not a host name") from None
    return [str(address[4][0]) for address in found]


def _unique(found: list[str]) -> list[str]:
    return list(dict.fromkeys(found))
