"""A callback that finds out early what would fail, or leak, late; and saves in time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from lightning.pytorch.callbacks import Callback, ModelCheckpoint

from mlsecrets import join, refuse_secrets
from mlsecrets.training import ExpiryWatch, SaveRoom

from ._checkpoint_io import room_of
from ._launchers import fail_at_exit, see_off_at_exit, stopped_in_child
from ._leaks import refuse_hyperparameters
from ._objects import (
    at_store,
    check_writable,
    plain_s3_is_leased,
)
from ._run import TrainerRun
from ._signals import Signals
from ._strategies import refuse_local_shards

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer


class LeaseCallback(Callback):
    """Fails before the first batch, not at the first checkpoint; and ends in time.

    The named leases have to be open and valid, in each rank. Every `ModelCheckpoint`
    must have a folder that an open lease may write to.

    A rank that the Trainer spawned or forked has no block of its own, and would be a
    worker, who may not write. So it joins the leases here, until it ends: as if the
    block were around it, without a call to the issuer. What a rank reads earlier than
    this, such as ``ckpt_path="last"``, is read as by a worker.

    After each optimizer step it looks whether a lease of the run is doomed, on any
    rank. If so, a checkpoint to resume from is written with the credentials that still
    live, ``doomed-epoch=…-step=….ckpt`` beside the others, loggers are flushed, and
    MLflow's run gets the tags ``mlsecrets.state``, ``mlsecrets.reason`` and
    ``mlsecrets.checkpoint``. Then `fit` raises `LeaseDoomed`, or waits for the issuer.

    Hyper-parameters and checkpoints that hold a live secret are refused before they
    are written: hyper-parameters of the module, the data module and the loggers, and
    checkpoints as they are when callbacks see them. `LeaseCheckpointIO` looks once more
    at what is really written.

    It holds scope names only: its pickle goes to the ranks, its state to checkpoints.

    Args:
        names: the leases that the run needs; all that are open if none is named.
        scopes: the same, for configuration files.
        on_doomed: ``"stop"``, ``"pause"``: see `mlsecrets.training.ExpiryWatch`. None:
            nothing is watched.
        pause_limit: seconds that a pause may take; then it stops after all.
        dirpath: where such a checkpoint goes; else to a leased folder of a
            `ModelCheckpoint`, of the first if none is, or into the Trainer's own.
    """

    def __init__(
        self,
        *names: str,
        scopes: Sequence[str] = (),
        on_doomed: Literal["stop", "pause"] | None = "stop",
        pause_limit: float = 3600.0,
        dirpath: str | None = None,
    ) -> None:
        super().__init__()
        self.scopes = (*names, *scopes)
        self.on_doomed = on_doomed
        self.pause_limit = pause_limit
        self.dirpath = dirpath
        self._watch: ExpiryWatch | None = None
        self._run: TrainerRun | None = None
        self._signals: Signals | None = None
        self._step = 0
        if on_doomed is not None:
            self._watching((), SaveRoom())  # tells what is wrong with the arguments

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check the leases, and what loggers are about to write.

        Raises:
            NotLeased: one is not open, or none covers where checkpoints go.
            LeaseClosed, LeaseExpired, OwnerGone: one is not usable any more.
            LeaseError: the strategy would write sharded checkpoints to the local disk.
            SecretLeak: a hyper-parameter holds a live secret.
        """
        for scope in self.scopes:
            join(scope).snapshot()
        if stage == "fit":
            written = self._prepare_folders(trainer)
            self._begin(trainer, written)
            fail_at_exit(trainer)
        refuse_hyperparameters(trainer, pl_module)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look once more: the module's own `setup` comes after ours.

        Raises:
            SecretLeak: a hyper-parameter holds a live secret.
        """
        refuse_hyperparameters(trainer, pl_module)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note where it begins, or has been resumed; mind signals from here on."""
        self._step = trainer.global_step
        if self._signals is not None:
            self._signals.take()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, *args: Any, **kwargs: Any
    ) -> None:
        """After an optimizer step: end in time, if an end is coming.

        Not between two of them, where gradients have been accumulated that no
        checkpoint keeps.

        Raises:
            LeaseDoomed: the run was saved, and ends.
            SIGTERMException: the process, or another rank's, is to end.
        """
        if self._watch is None or self._run is None:
            return
        if trainer.global_step != self._step:
            self._step = trainer.global_step
            self._watch.step(self._run)

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, *args: Any, **kwargs: Any
    ) -> None:
        """Not to validate to the end when the process is to end.

        Raises:
            SIGTERMException: it is. Ranks need not validate the same number of batches,
                so each looks for itself, as Lightning does where there is one.
        """
        if self._signals is not None and self._signals.terminated:
            raise self._signals.end()

    def on_save_checkpoint(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        checkpoint: dict[str, Any],
    ) -> None:
        """Look before it is written.

        Raises:
            SecretLeak: the checkpoint holds a live secret; the message says under
                which key.
        """
        refuse_secrets(checkpoint, "the checkpoint")

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """End the watch; Lightning calls no `teardown` then. See to other ranks' end.

        Raises:
            LeaseDoomed: that was it, in ranks that the Trainer has forked or spawned.
        """
        self._end()
        see_off_at_exit(trainer, exception)
        stopped = stopped_in_child(exception)
        if stopped is not None:
            raise stopped from exception

    def teardown(
        self, trainer: Trainer, pl_module: LightningModule, stage: str
    ) -> None:
        """End the watch."""
        self._end()

    def __getstate__(self) -> dict[str, Any]:
        # To spawned ranks, which each watch their own leases.
        return {**self.__dict__, "_watch": None, "_run": None, "_signals": None}

    def _prepare_folders(self, trainer: Trainer) -> list[str]:
        """Before callbacks' own `setup`, which opens them; what scopes they are of."""
        given = [trainer.default_root_dir, self.dirpath]
        urls = [url for folder in given if folder and (url := at_store(folder))]
        written = [check_writable(f"{url}/last.ckpt") for url in urls]
        for callback in trainer.checkpoint_callbacks:
            if not isinstance(callback, ModelCheckpoint) or not callback.dirpath:
                continue
            if (url := at_store(str(callback.dirpath))) is not None:
                written.append(check_writable(f"{url}/last.ckpt"))
                if not plain_s3_is_leased():
                    callback.dirpath = url
        if written:
            refuse_local_shards(trainer.strategy)
        return written

    def _begin(self, trainer: Trainer, written: list[str]) -> None:
        self._end()
        if self.on_doomed is None:
            return
        room = getattr(trainer.strategy, "room", None)
        room = room or room_of(trainer.strategy.checkpoint_io) or SaveRoom()
        # Those that it was told of and those that it writes to; or all.
        scopes = dict.fromkeys((*self.scopes, *written)) if self.scopes else ()
        self._watch = self._watching(tuple(scopes), room).__enter__()
        self._signals = Signals(trainer)
        self._run = TrainerRun(trainer, self._signals, self.dirpath)

    def _watching(self, scopes: tuple[str, ...], room: SaveRoom) -> ExpiryWatch:
        assert self.on_doomed is not None  # noqa: S101
        return ExpiryWatch(
            *scopes,
            on_doomed=self.on_doomed,
            pause_limit=self.pause_limit,
            room=room,
        )

    def _end(self) -> None:
        watch, self._watch = self._watch, None
        self._run = self._signals = None
        if watch is not None:
            watch.__exit__(None, None, None)
