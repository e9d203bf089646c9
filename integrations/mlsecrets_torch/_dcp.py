"""Distributed checkpoints on leases, as `torch.distributed.checkpoint` makes them."""

from __future__ import annotations

import os
from concurrent.futures import Future as Saving
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from functools import partial
from io import BytesIO
from typing import Any

from torch.distributed.checkpoint import state_dict_saver as saver
from torch.distributed.checkpoint._fsspec_filesystem import FsspecReader, FsspecWriter
from torch.distributed.checkpoint.metadata import Metadata
from torch.distributed.checkpoint.planner import (
    LoadPlan,
    LoadPlanner,
    SavePlan,
    SavePlanner,
    WriteItem,
    WriteItemType,
)
from torch.distributed.checkpoint.storage import WriteResult
from torch.futures import Future

from mlsecrets import refuse_secrets
from mlsecrets.training import SaveRoom

from .objects import LEASED, leased, using, writing


class LeaseWriter(FsspecWriter):
    """Writes a distributed checkpoint to a leased URL; of each rank, its own shards.

    ::

        dcp.save(state, storage_writer=LeaseWriter("leases3://checkpoints/run-7/step-9"))

    Before anything is planned or sent, the lease that covers the URL is there and
    valid on every rank, or all of them fail with what is missing. PyTorch puts the
    errors of all ranks into one ``CheckpointException``.

    No checkpoint is written that holds a live secret. Tensors are not looked into.

    It holds no lease and no secret, so it pickles into the process of `async_save`.

    Args:
        url: the checkpoint's folder, ``leases3://bucket/prefix``. ``s3://`` is leased
            as well; other paths pass as they are, to fsspec.
        room: how long a save may take; learned from the first on if it is None.
        options: as for PyTorch's `FsspecWriter`.
    """

    def __init__(
        self,
        url: str | os.PathLike[str],
        *,
        room: SaveRoom | None = None,
        **options: Any,
    ) -> None:
        target = leased(url)
        if target.startswith(LEASED):
            # An object is there for good once it is closed; PyTorch would have the
            # whole machine write its buffers to disk.
            options.setdefault("sync_files", False)
        super().__init__(target, **options)
        self.room = SaveRoom() if room is None else room

    def reset(self, checkpoint_id: str | os.PathLike[str] | None = None) -> None:
        """Begin another checkpoint, at another URL if one is given."""
        super().reset(None if checkpoint_id is None else leased(checkpoint_id))

    def stage(self, state_dict: Any) -> Any:
        """Copy what is saved asynchronously, if it holds no secret.

        Raises:
            SecretLeak: it does hold one; the message says under which key.
        """
        # Here, because a process that saves need not know of every lease of this one.
        refuse_secrets(state_dict, f"checkpoint {self.path}")
        return super().stage(state_dict)

    def prepare_local_plan(self, plan: SavePlan) -> SavePlan:
        """Make sure of the lease, before ranks plan together and write.

        Raises:
            NotLeased, LeaseTooShort, LeaseExpired: no lease can be written with.
        """
        with self._on_lease():
            return super().prepare_local_plan(plan)

    def write_data(
        self, plan: SavePlan, planner: SavePlanner
    ) -> Future[list[WriteResult]]:
        """Write this rank's files, if they hold no secret.

        Raises:
            SecretLeak: they would; the message says under which key.
            NotLeased, LeaseTooShort, LeaseExpired: no lease can be written with.
        """
        refuse_secrets(_parts(plan, planner), f"checkpoint {self.path}")
        with self._on_lease():
            return super().write_data(plan, planner)

    def finish(self, metadata: Metadata, results: list[list[WriteResult]]) -> None:
        """Write what makes the files a checkpoint.

        Raises:
            NotLeased, LeaseTooShort, LeaseExpired: no lease can be written with.
        """
        with self._on_lease():
            super().finish(metadata, results)

    def _on_lease(self) -> AbstractContextManager[None]:
        return writing(_metadata(self.path), self.room)


class LeaseReader(FsspecReader):
    """Reads a distributed checkpoint from a leased URL.

    Args:
        url: the checkpoint's folder, as for `LeaseWriter`.
        options: as for PyTorch's `FsspecReader`.
    """

    def __init__(self, url: str | os.PathLike[str], **options: Any) -> None:
        super().__init__(leased(url), **options)

    def reset(self, checkpoint_id: str | os.PathLike[str] | None = None) -> None:
        """Begin with another checkpoint, at another URL if one is given."""
        super().reset(None if checkpoint_id is None else leased(checkpoint_id))

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        """Read what the checkpoint consists of.

        Raises:
            NotLeased: no open lease covers reading it.
        """
        with using("read", _metadata(self.path)):
            return super().read_metadata(*args, **kwargs)

    def read_data(self, plan: LoadPlan, planner: LoadPlanner) -> Future[None]:
        """Read what this rank needs of it.

        Raises:
            NotLeased: no open lease covers reading it.
        """
        with using("read", _metadata(self.path)):
            return super().read_data(plan, planner)


def async_save(
    state_dict: dict[str, Any], *, storage_writer: LeaseWriter, **options: Any
) -> Any:
    """`dcp.async_save`, whose upload keeps its lease until it is over.

    A block that ends while the upload is under way leaves the lease to it: it is ended
    as soon as the upload is. With `dcp.async_save` itself the upload then fails.

    Args:
        state_dict: what is saved.
        storage_writer: to where.
        options: as for `dcp.async_save`.

    Returns:
        What `dcp.async_save` returns: a failed upload is told by its future alone.

    Raises:
        SecretLeak: the state holds a live secret; the message says under which key.
        NotLeased, LeaseExpired: no lease can be written with.
    """
    with ExitStack() as held:
        held.enter_context(using("write", _metadata(storage_writer.path)))
        saving: Any = saver.async_save(
            state_dict, storage_writer=storage_writer, **options
        )
        staged = hasattr(saving, "upload_completion")  # by a stager of the caller's
        upload: Any = saving.upload_completion if staged else saving
        told: Saving[Any] = Saving()
        told.set_running_or_notify_cancel()  # no upload can be called back
        upload.add_done_callback(partial(_let_go, held.pop_all(), told))
    return replace(saving, upload_completion=told) if staged else told


def _let_go(held: ExitStack, told: Saving[Any], upload: Saving[Any]) -> None:
    """An upload is over: nobody may hear of it before its lease is free."""
    held.close()
    error = upload.exception()
    if error is None:
        told.set_result(upload.result())
    else:
        told.set_exception(error)


def _metadata(folder: str | os.PathLike[str]) -> str:
    """Of the files of a checkpoint, the one that is written last and read first."""
    return f"{os.fspath(folder).rstrip('/')}/.metadata"


def _parts(plan: SavePlan, planner: SavePlanner) -> dict[str, Any]:
    """What a rank writes besides tensors, serialised as it will be, by its name."""
    parts: dict[str, Any] = {item.index.fqn: None for item in plan.items}
    for item in plan.items:
        data = planner.resolve_data(item) if _is_bytes(item) else None
        if isinstance(data, BytesIO):
            parts[item.index.fqn] = data.getbuffer()
    return parts


def _is_bytes(item: WriteItem) -> bool:
    return item.type == WriteItemType.BYTE_IO
