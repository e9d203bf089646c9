"""The process beside: finds what secrets left in its parent, stops it, overwrites.

It receives the values to look for in locked memory and spells them there; tables made
from them lie in its own. It can be neither dumped nor traced, and ends with the sweep.
"""

from __future__ import annotations

import ctypes
import gc
import os
import resource
import signal
import sys
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from functools import partial

from ..clock import SYSTEM_CLOCK
from ..memory import SecretBuffer
from ._channel import Channel
from ._forms import Layout
from ._freeze import prepare
from ._passes import Figures, Passes

# Numbers of prctl(2).
_PARENT_DEATH_SIGNAL, _SET_DUMPABLE = 1, 4


def main() -> None:
    """Do one sweep, as the parent asks for over standard input and output."""
    retire()
    channel = Channel(0, 1, SYSTEM_CLOCK, deadline=None)
    channel.send({"ready": True})
    task = channel.receive()
    if os.getppid() != task["pid"]:
        sys.exit("the parent that asked is gone")
    with ExitStack() as stack:
        values = receive_values(task["lengths"], channel, stack)
        layout = Layout(values, stack)
        passes = Passes(layout, task["pid"], partial(ask_excluded, channel), stack)
        channel.send({"done": True, "figures": passes.run()})


def retire() -> None:
    """Hide this process, and end it with its parent."""
    prctl = ctypes.CDLL(None).prctl
    prctl(_SET_DUMPABLE, 0, 0, 0, 0)
    prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    prepare()
    gc.disable()  # no pauses while the parent stands still


def receive_values(
    lengths: Sequence[int], channel: Channel, stack: ExitStack
) -> list[memoryview]:
    """What to look for, straight into locked memory."""
    buffer = stack.enter_context(SecretBuffer(sum(lengths)))
    whole = stack.enter_context(buffer.writable())
    values = []
    at = 0
    for length in lengths:
        values.append(whole[at : at + length])
        stack.callback(values[-1].release)
        at += length
    channel.receive_into(whole)
    return values


def ask_excluded(channel: Channel, figures: Figures) -> Iterable[tuple[int, int]]:
    """Where the parent's own locked memory lies, as of now."""
    channel.send({"done": False, "figures": figures})
    return [(start, end) for start, end in channel.receive()["excluded"]]
