"""Checkpoints on leases, whatever writes them."""

from __future__ import annotations

import os
from typing import Any

from lightning.pytorch.plugins.io import CheckpointIO, TorchCheckpointIO

from mlsecrets import refuse_secrets

from ._objects import LEASED, check_writable, leased


class LeaseCheckpointIO(CheckpointIO):
    """Wraps any checkpoint IO: leases for its S3 URLs, no save that cannot end well.

    ``s3://`` is leased in every process of the run, also in spawned ranks. Before a
    checkpoint is serialised, the lease that covers it is there and valid, or the save
    fails with what is missing. Other paths pass as they are.

    No checkpoint is written that holds a live secret. Tensors are not looked into.

    It holds no lease and no secret, so it pickles into ranks. Strategies that write
    their checkpoints themselves (FSDP, DeepSpeed) do not call it.

    Args:
        checkpoint_io: what writes and reads; Lightning's `TorchCheckpointIO` if None.
    """

    def __init__(self, checkpoint_io: CheckpointIO | None = None) -> None:
        super().__init__()
        self._inner = checkpoint_io or TorchCheckpointIO()

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
        """
        refuse_secrets(checkpoint, f"checkpoint {os.fspath(path)}")
        target = leased(path)
        if target.startswith(LEASED):
            check_writable(target)
        self._inner.save_checkpoint(checkpoint, target, storage_options)

    def load_checkpoint(
        self, path: str | os.PathLike[str], *args: Any, **kwargs: Any
    ) -> dict[str, Any]:
        """Load."""
        return self._inner.load_checkpoint(leased(path), *args, **kwargs)

    def remove_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Remove."""
        self._inner.remove_checkpoint(leased(path))

    def teardown(self) -> None:
        """Let the wrapped one finish."""
        self._inner.teardown()
