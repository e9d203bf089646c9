"""A callback that has the Trainer save in time, and fail early."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from transformers import (
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from mlsecrets.training import ExpiryWatch, SaveRoom
from mlsecrets_torch import TorchRun

from ._mirror import Mirror
from ._written import refuse_written


class LeaseTrainerCallback(TrainerCallback):
    """Fails before the first batch, not at the first checkpoint; and ends in time.

    The named leases have to be open, in each rank: the block is around everything. So
    has one that covers where checkpoints go.

    After each step it looks whether a lease of the run is doomed, on any rank. If so,
    the Trainer writes its checkpoint with the credentials that still live, without an
    evaluation before, what MLflow has queued is sent, and its run gets the tags
    ``mlsecrets.state``, ``mlsecrets.reason`` and ``mlsecrets.checkpoint``. Then
    ``train()`` raises `LeaseDoomed`, or waits for the issuer.

    The Trainer writes to the local disk alone. With ``checkpoints``, each of its
    folders is sent to a leased URL as soon as it is written, and its rotation is
    followed there if there is a ``save_total_limit``. `resume_from` fetches the newest.

    Arguments, configurations and states that hold a live secret are refused before
    they are written or logged.

    Args:
        scopes: the leases that the run needs; all that are open if none is named.
        on_doomed: ``"stop"``, ``"pause"``: see `mlsecrets.training.ExpiryWatch`. None:
            nothing is watched.
        pause_limit: seconds that a pause may take; then it stops after all.
        checkpoints: where to send them, ``leases3://bucket/prefix``.
        room: how long a save may take; learned if it is None.

    Raises:
        ValueError: an argument is none of those that are possible.
    """

    def __init__(
        self,
        *scopes: str,
        on_doomed: Literal["stop", "pause"] | None = "stop",
        pause_limit: float = 3600.0,
        checkpoints: str | None = None,
        room: SaveRoom | None = None,
    ) -> None:
        room = SaveRoom() if room is None else room
        self.mirror = None if checkpoints is None else Mirror(checkpoints, room)
        self._watch = (
            ExpiryWatch(
                *scopes, on_doomed=on_doomed, pause_limit=pause_limit, room=room
            )
            if on_doomed is not None
            else None
        )
        self._watching = False
        self._due = False
        self._written: str | None = None
        # The Trainer has written it by the time that the watch asks.
        self._run = TorchRun(lambda: self._written)

    def resume_from(self, args: TrainingArguments) -> str | None:
        """The newest checkpoint of the leased URL, fetched to this machine.

        ::

            trainer.train(resume_from_checkpoint=callback.resume_from(args))

        Called by every rank, inside the block.

        Returns:
            Its folder in ``output_dir``; None if there is no checkpoint yet.

        Raises:
            ValueError: the callback was given no ``checkpoints``.
            NotLeased, LeaseExpired: no lease can be read with.
        """
        if self.mirror is None:
            raise ValueError("there is nothing to fetch: give checkpoints=… a URL")
        return self.mirror.fetch(Path(_folder(args)), fetches=_is_first_here(args))

    def on_init_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Look at what loggers get when training begins, before they do.

        Raises:
            SecretLeak: it holds a live secret.
            ValueError: checkpoints would go to a local folder named like a URL.
        """
        _folder(args)
        refuse_written(args, state, kwargs.get("model"))

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Check the leases, and begin to watch them.

        Raises:
            NotLeased: one is not open, or none covers where checkpoints go.
            LeaseExpired: one is not usable any more.
        """
        self._end()
        if self.mirror is not None:
            self.mirror.check()
        if self._watch is not None:
            self._watch.__enter__()
            self._watching = True

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> TrainerControl:
        """After an optimizer step: have the run saved if an end is coming."""
        if self._watch is not None and self._watching:
            self._due = self._run.any(self._watch.due() is not None)
            if self._due:
                self._watch.room.pressed = True
                control.should_save = True
                control.should_evaluate = False
        return self._checked(args, state, control, kwargs)

    def on_epoch_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> TrainerControl:
        """Look once more where the Trainer saves at the end of epochs."""
        return self._checked(args, state, control, kwargs)

    def on_save(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Send what was written; and end, if that is why.

        Raises:
            LeaseDoomed: the run was saved, and ends.
            LeaseError, OSError: the checkpoint could not be sent, by this rank or
                another.
        """
        folder = Path(_folder(args)) / f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}"
        self._written = str(folder)
        if self.mirror is not None:
            self._written = self.mirror.put(
                folder,
                sends=_is_first_here(args),
                first=state.is_world_process_zero,
            )
            if args.save_total_limit and state.is_world_process_zero:
                here = folder.parent.glob(f"{PREFIX_CHECKPOINT_DIR}-*")
                self.mirror.keep(path.name for path in here)
        if self._due and self._watch is not None:
            self._due = False
            self._watch.step(self._run)

    def on_train_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """End the watch."""
        self._end()

    def _checked(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        parts: dict[str, Any],
    ) -> TrainerControl:
        if control.should_save:
            refuse_written(args, state, parts.get("model"))
        return control

    def _end(self) -> None:
        if self._watch is not None and self._watching:
            self._watch.__exit__(None, None, None)
        self._watching = self._due = False


def _folder(args: TrainingArguments) -> str:
    """Where the Trainer writes.

    Raises:
        ValueError: to a local folder named like a URL.
    """
    folder = str(args.output_dir)
    if "://" in folder:
        raise ValueError(
            f"output_dir is a folder of the local disk, got {folder!r}: give that URL "
            "to LeaseTrainerCallback(checkpoints=…)"
        )
    return folder


def _is_first_here(args: TrainingArguments) -> bool:
    """Whether this rank is the one that reads and writes for its machine's disk."""
    return int(args.local_process_index) == 0
