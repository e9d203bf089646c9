"""Asking a helper process to sweep this one."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

from ..clock import SYSTEM_CLOCK, Clock
from ..memory import Sealed, count_copies
from ._report import SweepReport

#: Seconds for the whole; a process of 4 GB takes a tenth of it.
TIMEOUT = 60.0


def sweep(
    needles: Sequence[Sealed], *, clock: Clock = SYSTEM_CLOCK, timeout: float = TIMEOUT
) -> SweepReport:
    """Find and overwrite what revealed secrets left in this process's memory.

    For after the readers that were shown them are closed: what still uses a value finds
    it overwritten. Must not be given a value that somebody else still holds. Locked
    memory of ours is left alone.

    Args:
        needles: the values; full copies in many encodings are found, and pieces of 12
            bytes or more.
        timeout: seconds after which the helper is ended; what it did by then is done.

    Raises:
        SecretBufferClosed: one of the needles is wiped: there is nothing to compare.
    """
    begun = clock.monotonic()
    with ExitStack() as stack:
        values = [stack.enter_context(needle.reading()) for needle in needles]
        report = _ask(values, clock, begun + timeout)
    if report.refused is not None and not report.passes:
        report = _from_inside(needles, report)
    return replace(report, seconds=clock.monotonic() - begun)


def _ask(values: Sequence[memoryview], clock: Clock, deadline: float) -> SweepReport:
    if sys.platform != "linux":
        return SweepReport(refused=f"sweeping works on Linux only, not {sys.platform}")
    from ._conversation import Conversation

    talk = Conversation(values, clock, deadline)
    try:
        talk.hold()
    except TimeoutError:
        talk.refused = "it took too long, and was ended"
    except (EOFError, BrokenPipeError):
        talk.refused = "its helper process died"
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        talk.refused = f"no helper process: {reason}"
    return SweepReport(**{"refused": talk.refused, **talk.figures})


def _from_inside(needles: Sequence[Sealed], report: SweepReport) -> SweepReport:
    """What this process can say by itself: full copies, in some encodings."""
    counted = count_copies(needles)
    return replace(
        report,
        copies=counted.copies,
        left=counted.copies,
        regions=counted.regions,
        scanned_bytes=counted.scanned_bytes,
        unsearched=counted.unsearched_slots,
        notes=("full copies only were counted, from inside",),
    )
