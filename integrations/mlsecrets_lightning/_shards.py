"""FSDP and model parallelism whose checkpoints go to a leased store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import fsspec
import torch
from lightning.pytorch.strategies import FSDPStrategy, ModelParallelStrategy, Strategy
from lightning.pytorch.trainer.states import TrainerFn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save
from torch.distributed.fsdp import FullyShardedDataParallel, OptimStateKeyType
from torch.nn import Module
from torch.optim import Optimizer

from mlsecrets import refuse_secrets
from mlsecrets.training import SaveRoom
from mlsecrets_torch import LeaseReader, LeaseWriter
from mlsecrets_torch.objects import LEASED, leased, using, writing

from ._strategies import WritesToStore

#: Lightning's name for the file with everything that is in no shard. A folder that has
#: it is a sharded checkpoint.
METADATA = "meta.pt"

if TYPE_CHECKING:
    Base = Strategy
else:
    Base = object


class LeasedShards(WritesToStore, Base):
    """Writes and reads checkpoints at leased URLs; mixed into a strategy.

    What is there is what Lightning has in a local folder: a file of each rank, written
    by `torch.distributed.checkpoint`, and ``meta.pt``. It can be copied from one to the
    other. Local paths pass as they are.

    Args:
        reserve: seconds that a save may take. None: twice what the longest has taken.
    """

    #: Under which the weights are among the shards.
    _WEIGHTS: str

    def __init__(self, *args: Any, reserve: float | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.room = SaveRoom(reserve)

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        filepath: str | Path,
        storage_options: Any | None = None,
    ) -> None:
        """Write one, each rank its shards.

        Raises:
            SecretLeak: it holds a live secret; the message says under which key.
            NotLeased, LeaseExpired, LeaseTooShort: no lease can be written with.
        """
        url = leased(self.broadcast(filepath))
        if not url.startswith(LEASED) or storage_options is not None:
            super().save_checkpoint(checkpoint, filepath, storage_options)
            return
        if not self._is_sharded():
            Strategy.save_checkpoint(self, checkpoint, url)
            return
        refuse_secrets(checkpoint, f"checkpoint {url}")
        shards = {self._WEIGHTS: checkpoint.pop("state_dict")}
        for number, state in enumerate(checkpoint.pop("optimizer_states", [])):
            shards[_optimizer(number)] = state
        save(shards, storage_writer=LeaseWriter(url, room=self.room))
        if self.is_global_zero:
            path = f"{url}/{METADATA}"
            with writing(path, self.room), fsspec.open(path, "wb") as file:
                torch.save(checkpoint, file)

    def load_checkpoint(
        self,
        checkpoint_path: str | Path,
        weights_only: bool | None = None,  # noqa: FBT001  as in `Strategy`
    ) -> dict[str, Any]:
        """Read one, each rank what it needs.

        Raises:
            NotLeased: no open lease covers reading it.
        """
        url = leased(self.broadcast(checkpoint_path))
        if not url.startswith(LEASED):
            return super().load_checkpoint(checkpoint_path, weights_only=weights_only)
        with using("read", f"{url}/{METADATA}"):
            fs, path = fsspec.url_to_fs(url)
            if not fs.exists(f"{path}/{METADATA}"):
                return self._load_whole(url, weights_only=weights_only)
            self._load_shards(url)
            with fs.open(f"{path}/{METADATA}", "rb") as file:
                metadata: dict[str, Any] = torch.load(file, weights_only=weights_only)
        return metadata

    def _load_whole(self, url: str, *, weights_only: bool | None) -> dict[str, Any]:
        """A checkpoint that is one file; each rank reads all of it."""
        checkpoint = self.checkpoint_io.load_checkpoint(
            url, map_location="cpu", weights_only=weights_only
        )
        model, strict = self._restored()
        options = StateDictOptions(full_state_dict=True, strict=strict)
        set_model_state_dict(model, checkpoint.pop("state_dict"), options=options)
        for optimizer, state in zip(
            self._fitted(), checkpoint.get("optimizer_states", []), strict=False
        ):
            named = FullyShardedDataParallel.rekey_optim_state_dict(
                state, OptimStateKeyType.PARAM_NAME, model
            )
            set_optimizer_state_dict(model, optimizer, named, options=options)
        return checkpoint

    def _load_shards(self, url: str) -> None:
        model, strict = self._restored()
        options = StateDictOptions(cpu_offload=True, strict=strict)
        weights = {self._WEIGHTS: get_model_state_dict(model, options=options)}
        load(weights, storage_reader=LeaseReader(url))
        set_model_state_dict(model, weights[self._WEIGHTS], options=options)
        for number, optimizer in enumerate(self._fitted()):
            key = _optimizer(number)
            state = {key: get_optimizer_state_dict(model, optimizer, options=options)}
            load(state, storage_reader=LeaseReader(url))
            set_optimizer_state_dict(model, optimizer, state[key], options=options)

    def _restored(self) -> tuple[Module, bool]:
        """The model that is filled, and whether nothing may be missing."""
        assert self.model is not None  # noqa: S101  it is set up by then
        assert self.lightning_module is not None  # noqa: S101
        return self.model, self.lightning_module.strict_loading

    def _fitted(self) -> list[Optimizer]:
        """The optimizers whose state is needed: none where nothing is trained."""
        assert self.lightning_module is not None  # noqa: S101
        fitting = self.lightning_module.trainer.state.fn == TrainerFn.FITTING
        return self.optimizers if fitting else []

    def _is_sharded(self) -> bool:
        """Whether each rank writes its own part."""
        raise NotImplementedError


class LeaseFSDPStrategy(LeasedShards, FSDPStrategy):
    """Lightning's `FSDPStrategy`, whose checkpoints can be at leased URLs.

    Args:
        args: as for that.
        kwargs: as for that, and ``reserve``: seconds that a save may take.
    """

    _WEIGHTS = "model"

    def _is_sharded(self) -> bool:
        return self._state_dict_type == "sharded"


class LeaseModelParallelStrategy(LeasedShards, ModelParallelStrategy):
    """Lightning's `ModelParallelStrategy`, whose checkpoints can be at leased URLs.

    Args:
        args: as for that.
        kwargs: as for that, and ``reserve``: seconds that a save may take.
    """

    _WEIGHTS = "state_dict"

    def _is_sharded(self) -> bool:
        return self._save_distributed_checkpoint


def _optimizer(number: int) -> str:
    return f"optimizer_{number}"
