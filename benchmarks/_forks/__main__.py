"""A program that forks while it renews; told what to do by its observer.

python -m _forks PROGRAM MODE FORKS

MODE ``looked-at``: renewals until one fork, at a random instant of one; then the child
waits to be looked at. ``hard``: renewals, forks and readers as fast as they go.
Each line that it writes is what one child said; a child that says nothing is killed.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from . import botocore, ours

#: Seconds after which a child is taken to hang.
HANGS = 10.0
PROGRAMS: dict[str, Callable[[Any], Any]] = {
    "ours": ours.Program,
    "kept": ours.Kept,
    "revealing": ours.Revealing,
    "ungated": ours.Ungated,
    "botocore": botocore.Program,
}


def main() -> None:
    """Run it."""
    warnings.simplefilter("ignore")  # of forks with threads: that is what this is about
    name, mode, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    # Not the class itself, with which the servers would be imported, and searched.
    place = SimpleNamespace(**json.loads(os.environ["RESIDUE_PLACE"]))
    threading.stack_size(1 << 19)  # or half of what is searched were empty stacks
    planted = sys.stdin.readline().strip()
    piece = planted[4:24].encode()
    with PROGRAMS[name](place) as program:
        how = _looked_at if mode == "looked-at" else _hard
        how(program, count)
    del planted, piece


def _looked_at(program: Any, count: int) -> None:
    took = 0.05
    forked = threading.Event()

    def renew(number: int) -> None:
        nonlocal took
        while not forked.is_set():
            begun = time.perf_counter()
            program.renew(number)
            took += 0.2 * (time.perf_counter() - begun - took)

    for number in range(count):
        forked.clear()
        renewing = threading.Thread(target=renew, args=(number,))
        renewing.start()
        time.sleep(random.uniform(0, 2 * took))  # noqa: S311  no secret
        under_way = program.under_way()
        first = number % 2 == 0  # looked at before it reads, or after
        _fork(program, forked.set, under_way=under_way, look=True, first=first)
        renewing.join()


def _hard(program: Any, count: int) -> None:
    ended = threading.Event()

    def renew() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            program.renew(number)

    renewing = threading.Thread(target=renew)
    renewing.start()
    for _ in range(count):
        time.sleep(random.uniform(0, 0.02))  # noqa: S311  no secret
        under_way = program.under_way()
        _fork(program, _nothing, under_way=under_way, look=False, first=False)
    ended.set()
    renewing.join()


def _nothing() -> None:
    pass


def _fork(
    program: Any,
    then: Callable[[], None],
    *,
    under_way: bool,
    look: bool,
    first: bool,
) -> None:
    reader, writer = os.pipe()
    waits, goes = os.pipe()
    begun = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            _child(program, writer, waits if look else None, first=first)
            status = 0
        except BaseException:  # noqa: BLE001  said, and then the end of this process
            traceback.print_exc()
        finally:
            os._exit(status)
    forked = time.perf_counter() - begun
    then()
    os.close(writer)
    os.close(waits)
    said: dict[str, Any] = {}
    hung = False
    if look and first:
        _ask(pid, goes)
    if select.select([reader], [], [], HANGS)[0]:
        said = json.loads(os.read(reader, 65536) or b"{}")
        if look and not first and said:
            _ask(pid, goes)
    else:
        hung = True
        os.kill(pid, signal.SIGKILL)
    ended = time.monotonic() + HANGS
    while not (done := os.waitpid(pid, os.WNOHANG))[0] and not hung:
        if time.monotonic() > ended:
            hung = True
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.001)
    if hung and not done[0]:
        os.waitpid(pid, 0)
    os.close(reader)
    os.close(goes)
    told = {"under_way": under_way, "hung": hung, "forked": forked, **said}
    told["failed"] = not hung and (done[1] != 0 or not said)
    _say(told)


def _child(program: Any, line: int, waits: int | None, *, first: bool) -> None:
    if first and waits is not None:
        os.read(waits, 1)
    begun = time.perf_counter()
    generation = program.read()
    said = {"read": time.perf_counter() - begun, "generation": generation}
    os.write(line, json.dumps({**said, **program.left_over()}).encode())
    if waits is not None and not first:
        os.read(waits, 1)


def _ask(pid: int, goes: int) -> None:
    """Have the observer look at a child, which waits, and let it go on."""
    _say({"look": pid})
    sys.stdin.readline()
    os.write(goes, b"\n")


def _say(told: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
