"""How the run goes, every two seconds, for whoever watches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import Callback

from mlsecrets import Bundle
from mlsecrets.clock import SYSTEM_CLOCK

from .channel import Channel

#: Seconds between two lines.
EVERY = 2.0


class Progress(Callback):
    """Tells the demo where training is, and how many credentials it has had.

    Args:
        channel: whom to tell.
        creds: the leases, for their generations.
        reads_file: one line a read.
    """

    def __init__(self, channel: Channel, creds: Bundle, reads_file: Path) -> None:
        super().__init__()
        self._channel = channel
        self._creds = creds
        self._reads_file = reads_file
        self._began = self._next = SYSTEM_CLOCK.monotonic()
        #: Of the last batch looked at.
        self.loss: float | None = None

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Count seconds from here."""
        self._began = self._next = SYSTEM_CLOCK.monotonic()

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Tell, if it is time."""
        now = SYSTEM_CLOCK.monotonic()
        if now < self._next:
            return
        self._next = now + EVERY
        self.loss = round(float(outputs["loss"]), 4)
        self._channel.say(
            "progress",
            elapsed=round(now - self._began, 1),
            epoch=trainer.current_epoch,
            step=trainer.global_step,
            loss=self.loss,
            reads=self._reads(),
            generations={
                scope: self._creds[scope].snapshot().terms.generation
                for scope in self._creds
            },
        )

    def _reads(self) -> int:
        try:
            return self._reads_file.read_bytes().count(b"\n")
        except FileNotFoundError:
            return 0
