"""Leases: eight readers, workers at the broker, and renewals."""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any, Literal

from mlsecrets import Reference, _current, _sigv4_key, configure, lease
from mlsecrets._late import _connection as late
from mlsecrets.issuers import _connection
from mlsecrets.memory import _content

SCOPES = ("train-data", "vault", "mlflow")
READERS = 8
#: What is read from the store; see `_residue.world`.
KEY = "digits/residue"
#: Every so many renewals the login is replaced, too.
LOGIN_EVERY = 5
_DATE = ("20260101", "us-east-1", "s3", "aws4_request")
#: Asks the broker anew each time, as workers do that have just started.
_WORKER = """
import os, sys, time
from pathlib import Path
from mlsecrets._broker.attach import Attachment
while os.getppid() == int(sys.argv[1]):
    Attachment(Path(os.environ["MLSECRETS_SOCK"])).source("train-data").snapshot()
    time.sleep(0.002)
"""
_LOCKS = (type(threading.Lock()), type(threading.RLock()))


class Program:
    """What forks."""

    KEEPER: Literal["thread", "process"] = "thread"

    def __init__(self, place: Any) -> None:
        self._place = place
        self._exits = ExitStack()
        self._ended = threading.Event()
        self._renewing = 0

    def __enter__(self) -> Program:
        configure(self._place.manifest, sweep="never", keeper=self.KEEPER)
        self._leases = self._exits.enter_context(lease(*SCOPES))
        self._exits.callback(self._ended.set)
        for number in range(READERS):
            thread = threading.Thread(target=self._read_on, args=(number,))
            thread.start()
            self._exits.callback(thread.join)
        # They end when they are told to, which is before they are waited for.
        self._exits.callback(self._ended.set)
        worker = subprocess.Popen([sys.executable, "-c", _WORKER, str(os.getpid())])
        self._exits.callback(worker.wait)
        self._exits.callback(worker.kill)
        return self

    def __exit__(self, *exception: object) -> None:
        self._exits.close()

    def renew(self, number: int) -> None:
        """Have every lease replaced; now and then the login as well."""
        self._renewing += 1
        try:
            if number % LOGIN_EVERY == 0 and self.KEEPER == "thread":
                stack: Any = _current.session()._stack  # noqa: SLF001  no public way
                for login in stack.logins.values():
                    login.invalidate(login.snapshot().terms.generation)
            for scope in SCOPES:
                held = self._leases[scope]
                held.reject(held.snapshot().terms.generation)
        finally:
            self._renewing -= 1

    def under_way(self) -> bool:
        """Whether a renewal is."""
        return self._renewing > 0

    def read(self) -> int:
        """In a child: a lease, used."""
        grant = Reference("train-data").source().snapshot()
        _sign(grant.credentials)
        return grant.terms.generation

    def left_over(self) -> dict[str, Any]:
        """In a child: what there is of its parent's."""
        return {
            "threads": len(list(Path("/proc/self/task").iterdir())) - 1,
            "locks": _held(),
            "sockets": _sockets(),
        }

    def _read_on(self, number: int) -> None:
        if number < 2:
            with self._leases["vault"].http_session() as session:
                while not self._ended.wait(0.002):
                    # An answer that holds no secret, for those who have one.
                    session.post(
                        f"{self._place.bao}/v1/sys/capabilities-self",
                        json={"paths": ["secret/data/hf"]},
                        timeout=30,
                    ).raise_for_status()
            return
        scope = SCOPES[number % len(SCOPES)]
        while not self._ended.wait(0.001):
            credentials = self._leases[scope].snapshot().credentials
            with contextlib.suppress(KeyError):
                _sign(credentials)


class Kept(Program):
    """The same as a member of a keeper, which has issuers and logins to itself."""

    KEEPER = "process"


class Revealing(Program):
    """The same with two readers that are shown the session token."""

    def _read_on(self, number: int) -> None:
        if number >= 2:
            super()._read_on(number)
            return
        client = self._leases["train-data"].boto3_session().client("s3")
        while not self._ended.wait(0.002):
            client.get_object(Bucket="datasets", Key=KEY)["Body"].read()
        client.close()


class Ungated(Program):
    """The same without holding forks off where OpenSSL has plaintext."""

    def __enter__(self) -> Program:
        for module in (_connection, late, _sigv4_key):
            module.held_off = nullcontext  # type: ignore[attr-defined]
        return super().__enter__()


def _sign(credentials: Any) -> None:
    _sigv4_key.signature(credentials.sealed("secret_access_key"), _DATE, "request")


def _held() -> int:
    """Locks in objects and modules of ours that are taken, and could hang this child.

    Not those in locked memory's bookkeeping: it looks at the process id first.
    """
    found = 0
    modules = [
        vars(module) for name, module in sys.modules.items() if name.startswith("mlsec")
    ]
    objects = [
        thing
        for thing in gc.get_objects()
        if str(type(thing).__module__).startswith("mlsecrets")
        and not isinstance(thing, _content.Content)
    ]
    for thing in [*modules, *map(_attributes, objects)]:
        for value in list(thing.values()):
            lock = getattr(value, "_lock", value)
            if isinstance(lock, _LOCKS):
                if lock.acquire(blocking=False):
                    lock.release()
                else:
                    found += 1
    return found


def _attributes(thing: Any) -> dict[str, Any]:
    slots = [
        name
        for kind in type(thing).__mro__
        for name in getattr(kind, "__slots__", ())
        if hasattr(thing, name)
    ]
    return {
        **getattr(thing, "__dict__", {}),
        **{name: getattr(thing, name) for name in slots if name != "__weakref__"},
    }


def _sockets() -> list[str]:
    """Those that this child has open; a reader that is done has closed its own."""
    found = []
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if str(path.readlink()).startswith("socket:"):
                with socket.socket(fileno=os.dup(int(path.name))) as copy:
                    found.append(f"{copy.family.name} {copy.getsockname()}")
    return found
