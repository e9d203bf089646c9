"""What must not be in the middle of a fork, and what a forked child lets go of.

Of all threads only the one that forks exists in the child. A lock that another one
holds stays taken there for ever. A socket is open in both, so that its peer does not
see the parent hang up. A module that another thread is importing never arrives. And
what OpenSSL or the stack of another thread held at that instant, the child has as well.

So steps that take microseconds hold forks off (`held_off`), and so do imports
(`importing`); of the rest the child is told (`forgets`, `closes`, `after_fork`). One
that was forked by C code is not told by Python: it finds out when it looks for a lease
(`notice`).
"""

from __future__ import annotations

import logging  # noqa: F401  see the end: its lock is to be taken after ours
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    import subprocess

#: Seconds that a fork waits at most for a step that holds it off, whatever that does:
#: late is better than never.
LONGEST = 5.0
#: The same for an import, which takes its time where packages lie on a network.
LONGEST_IMPORT = 10.0


class Forgetful(Protocol):
    """What has locks, threads or secrets of the process that made it."""

    def forget(self) -> None:
        """In a forked child: let go of them; calling it twice is calling it once."""


class Closing(Protocol):
    """A socket or a file."""

    def close(self) -> None:
        """Close its descriptor."""


# Re-entrant: a signal handler may fork, or a finaliser get here again. Whoever takes
# both takes the first one first.
_imports = threading.RLock()
_gate = threading.RLock()
_pid = os.getpid()
_own = threading.local()
# By identity, because some have an equality of their own.
_forgetful: WeakValueDictionary[int, Any] = WeakValueDictionary()
_closing: WeakValueDictionary[int, Any] = WeakValueDictionary()
_callbacks: list[Callable[[], None]] = []


def held_off() -> AbstractContextManager[Any]:
    """A block in which this process does not fork; others that want one wait.

    For steps that never wait for anything themselves: the calls that move a secret
    through OpenSSL, a descriptor between being made and being known here.
    """
    notice()
    return _gate


def importing() -> AbstractContextManager[Any]:
    """The same for the import of a library, which may take a second.

    Other steps go on meanwhile. Not to be entered inside of `held_off`.
    """
    # Of what a library imports, this has a hook: registered while a fork waits for us,
    # its lock would be released after that fork without having been taken before.
    import concurrent.futures.thread  # noqa: F401

    notice()
    return _imports


def forgets(thing: Forgetful) -> None:
    """Have a thing's `forget` called in forked children, for as long as it lives."""
    _forgetful[id(thing)] = thing


def closes(thing: Closing) -> None:
    """Have forked children close it: the descriptor stays the parent's alone."""
    _closing[id(thing)] = thing


def close(thing: Closing) -> None:
    """Close it in the parent, with no fork in between.

    Python forgets a socket's descriptor before it is closed: a child could no more.
    """
    with held_off():
        thing.close()


def start(command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start a process with pipes, which forked children close.

    A child forked while the pipes are made would hold them: `subprocess` would wait
    until it ends, and so would whoever waits for the end of a pipe.

    Args:
        command: its arguments.
        options: of `subprocess.Popen`.

    Raises:
        OSError: it cannot be started.
    """
    import subprocess

    with held_off():
        process = subprocess.Popen(command, **options)  # noqa: S603  our own commands
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                closes(pipe)
    return process


def after_fork(callback: Callable[[], None]) -> None:
    """Have a function called in forked children: for the state of a module."""
    _callbacks.append(callback)


def notice() -> None:
    """Find out whether this is a child that was forked behind Python's back."""
    if os.getpid() != _pid:
        _in_child()


def _in_child() -> None:
    global _imports, _gate, _pid
    _imports, _gate, _pid = threading.RLock(), threading.RLock(), os.getpid()
    # All of them are called, should one of them fail.
    with ExitStack() as calls:  # which calls the last one first
        for thing in _living(_closing):
            calls.callback(_shut, thing)
        for thing in _living(_forgetful):
            calls.callback(thing.forget)
        for callback in reversed(_callbacks):
            calls.callback(callback)


def _shut(thing: Any) -> None:
    """Close it; a socket also if somebody still has a file on top of it."""
    if hasattr(thing, "detach") and thing.fileno() >= 0:
        os.close(thing.detach())
    thing.close()


def _living(things: WeakValueDictionary[int, Any]) -> list[Any]:
    found = [ref() for ref in things.valuerefs()]
    return [thing for thing in found if thing is not None]


def _before() -> None:
    _own.held = []
    for gate, longest in ((_imports, LONGEST_IMPORT), (_gate, LONGEST)):
        if gate.acquire(timeout=longest):
            _own.held.append(gate)


def _in_parent() -> None:
    for gate in _own.held:
        gate.release()


# Hooks that were registered last are called first. An import makes loggers, which takes
# the lock that logging's own hook holds: that one has to wait behind ours.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before, after_in_parent=_in_parent, after_in_child=_in_child
    )
