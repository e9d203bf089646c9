"""The control: the same training on credentials of the same life that nobody renews."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import journal
from .plan import Plan, Static
from .process import training

if TYPE_CHECKING:
    from mlsecrets.devstack import DevStack

#: As in the stack's manifest, for the scope ``train-data``.
ROLE = "arn:aws:iam::role/data-reader"


@dataclass(frozen=True)
class Control:
    """How it went.

    Attributes:
        failed: whether training broke off with an error of the store.
        after: seconds from when the credentials were there.
        error: in the store's own words; else what was raised.
        reads: how many reads had succeeded until then.
    """

    failed: bool
    after: float
    error: str
    reads: int


def run(stack: DevStack, out: Path, seconds: float) -> Control:
    """Train for so many seconds, if the store lets us."""
    reads_file = out / "control-reads.jsonl"
    reads_file.unlink(missing_ok=True)
    static = Static(
        openbao=stack.openbao.address,
        store=stack.store.address,
        role=ROLE,
        role_id_file=str(stack.openbao.role_id_file),
        secret_id_file=str(stack.openbao.secret_id_file),
    )
    plan = Plan(seconds, "control", str(reads_file), static=static)
    with training(plan, out / "control.log") as process:
        while (end := process.channel.hear())["say"] not in {"failed", "survived"}:
            continue
        process.finish()
    reads = journal.read(reads_file)
    good = sum(read["ok"] for read in reads)
    return Control(
        # With no read before, it would have failed for another reason.
        failed=end["say"] == "failed" and 0 < good < len(reads),
        after=end["after"],
        error=end["error"],
        reads=good,
    )
