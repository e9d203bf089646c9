"""What the operating system granted for one piece of secret memory."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["secretmem", "mlocked", "plain"]


@dataclass(frozen=True)
class Protection:
    """What the operating system granted for one mapping.

    Args:
        kind: "secretmem" is in no other map of this computer's memory, so that neither
            a debugger nor the kernel itself reads it, and never goes to swap;
            "mlocked" never goes to swap; "plain" may.
        guarded: a page on either side that nobody can touch.
        undumpable: left out of core dumps (for "mlocked" and "plain" a request to the
            kernel, not a wall).
        wiped_on_fork: a forked child finds zeros.
        reasons: why something above was not granted, one sentence each.
    """

    kind: Kind
    _: KW_ONLY
    guarded: bool = False
    undumpable: bool = False
    wiped_on_fork: bool = False
    reasons: tuple[str, ...] = ()
