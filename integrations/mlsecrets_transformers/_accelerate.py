"""A loop with Accelerate, as `ExpiryWatch` has it saved and ended."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlsecrets.training import SaveRoom
from mlsecrets_torch import TorchRun

from ._mirror import Mirror


class AccelerateRun(TorchRun):
    """What `ExpiryWatch` may ask of a loop with Accelerate; each rank has one.

    ::

        accelerator = Accelerator()
        with lease("train-data", "checkpoints"), ExpiryWatch() as watch:
            run = AccelerateRun(
                accelerator,
                "out",
                lambda: step,
                "leases3://checkpoints/run-7",
                watch.room,
            )
            if folder := run.resume_from():
                accelerator.load_state(folder)
            for step, batch in enumerate(loader, 1):
                ...
                watch.step(run)

    A checkpoint is what ``accelerator.save_state`` writes, in a folder
    ``checkpoint-N``; `save` can be called at any time.

    Args:
        accelerator: it.
        folder: above the checkpoints, on the local disk of each machine.
        number: N of the next one, such as the number of steps.
        checkpoints: a leased URL to send each of them to, ``leases3://bucket/prefix``.
        room: how long a save may take, ``watch.room``; learned if it is None.

    Raises:
        ValueError: the URL is no leased one.
    """

    def __init__(
        self,
        accelerator: Any,
        folder: str | Path,
        number: Callable[[], int],
        checkpoints: str | None = None,
        room: SaveRoom | None = None,
    ) -> None:
        super().__init__(self._write)
        self._accelerator = accelerator
        self._folder = Path(folder)
        self._number = number
        self._mirror = None if checkpoints is None else Mirror(checkpoints, room)

    def resume_from(self) -> str | None:
        """The newest checkpoint of the leased URL, fetched to this machine.

        Returns:
            Its folder; None if there is none yet.

        Raises:
            ValueError: no URL was given.
            NotLeased, LeaseExpired: no lease can be read with.
        """
        if self._mirror is None:
            raise ValueError("there is nothing to fetch: give checkpoints=… a URL")
        return self._mirror.fetch(
            self._folder, fetches=self._accelerator.is_local_main_process
        )

    def _write(self) -> str:
        folder = self._folder / f"checkpoint-{self._number()}"
        self._accelerator.save_state(str(folder))
        if self._mirror is None:
            return str(folder)
        return self._mirror.put(
            folder,
            sends=self._accelerator.is_local_main_process,
            first=self._accelerator.is_main_process,
        )
