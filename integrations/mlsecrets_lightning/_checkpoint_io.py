"""Checkpoints on leases, whatever writes them."""

from __future__ import annotations

import os
from typing import Any

from lightning.pytorch.plugins.io import (
    AsyncCheckpointIO,
    CheckpointIO,
    TorchCheckpointIO,
)

from mlsecrets import refuse_secrets
from mlsecrets.training import SaveRoom
from mlsecrets_torch.objects import LEASED, leased, writing

from ._objects import check_writable


class LeaseCheckpointIO(CheckpointIO):
    """Wraps any checkpoint IO: leases for its S3 URLs, no save that cannot end well.

    ``s3://`` is leased in every process of the run, also in spawned ranks. Before a
    checkpoint is serialised, the lease that covers it is there and valid, or the save
    fails with what is missing. Other paths pass as they are.

    While a checkpoint is written its lease is held, and validity for the time that it
    takes is made sure of before. Inside an `AsyncCheckpointIO` that is on its thread: a
    block that ends meanwhile leaves the lease to the upload.

    No checkpoint is written that holds a live secret. Tensors are not looked into.

    It holds no lease and no secret, so it pickles into ranks. Strategies that write
    their checkpoints themselves (FSDP, model parallel, DeepSpeed) do not call it; for
    two of them there are `LeaseFSDPStrategy` and `LeaseModelParallelStrategy`.

    Args:
        checkpoint_io: what writes and reads; Lightning's `TorchCheckpointIO` if None.
        reserve: seconds that a save may take. None: twice what the longest has taken.

    Attributes:
        room: what is known of how long a save takes; `LeaseCallback` goes by it.
    """

    def __init__(
        self, checkpoint_io: CheckpointIO | None = None, reserve: float | None = None
    ) -> None:
        super().__init__()
        self.room = SaveRoom(reserve)
        self.inner = _reserving(checkpoint_io or TorchCheckpointIO(), self.room)

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: str | os.PathLike[str],
        storage_options: Any | None = None,
    ) -> None:
        """Save, if it holds no secret, and a valid lease covers it.

        Raises:
            SecretLeak: it does hold one; the message says under which key.
            NotLeased, LeaseExpired: none does; nothing was serialised or sent.
            LeaseTooShort: it cannot be valid for as long as `reserve` says.
        """
        refuse_secrets(checkpoint, f"checkpoint {os.fspath(path)}")
        target = leased(path)
        if target.startswith(LEASED):
            check_writable(target)
        self.inner.save_checkpoint(checkpoint, target, storage_options)

    def load_checkpoint(
        self, path: str | os.PathLike[str], *args: Any, **kwargs: Any
    ) -> dict[str, Any]:
        """Load."""
        return self.inner.load_checkpoint(leased(path), *args, **kwargs)

    def remove_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Remove."""
        self.inner.remove_checkpoint(leased(path))

    def teardown(self) -> None:
        """Let the wrapped one finish."""
        self.inner.teardown()


class _Reserving(CheckpointIO):
    """What writes, with validity for as long as that takes."""

    def __init__(self, inner: CheckpointIO, room: SaveRoom) -> None:
        super().__init__()
        self._inner = inner
        self._room = room

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        with writing(path, self._room):
            self._inner.save_checkpoint(checkpoint, path, storage_options)

    def load_checkpoint(self, path: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return self._inner.load_checkpoint(path, *args, **kwargs)

    def remove_checkpoint(self, path: Any) -> None:
        self._inner.remove_checkpoint(path)

    def teardown(self) -> None:
        self._inner.teardown()


def _reserving(inner: CheckpointIO, room: SaveRoom) -> CheckpointIO:
    """The same, which reserves where it writes: not before it has another do so."""
    if not isinstance(inner, AsyncCheckpointIO):
        return _Reserving(inner, room)
    writer = _reserving(inner.checkpoint_io or TorchCheckpointIO(), room)
    # Its public setter fills what is empty, and replaces nothing.
    inner._checkpoint_io = writer  # noqa: SLF001
    return inner


def room_of(checkpoint_io: CheckpointIO | None) -> SaveRoom | None:
    """What is known there of how long a save takes."""
    if isinstance(checkpoint_io, LeaseCheckpointIO):
        return checkpoint_io.room
    if isinstance(checkpoint_io, AsyncCheckpointIO):
        return room_of(checkpoint_io.checkpoint_io)
    return None


def writes_later(checkpoint_io: CheckpointIO) -> bool:
    """Whether a checkpoint may not be there yet when `save_checkpoint` returns."""
    if isinstance(checkpoint_io, LeaseCheckpointIO):
        return writes_later(checkpoint_io.inner)
    return isinstance(checkpoint_io, AsyncCheckpointIO)
