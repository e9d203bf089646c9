"""What Lightning writes down of a run, searched for secrets before it is written."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from mlsecrets import refuse_secrets
from mlsecrets.errors import SecretLeak

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer


def refuse_hyperparameters(trainer: Trainer, module: LightningModule) -> None:
    """Refuse secrets among all that loggers write, and checkpoints keep, of a run.

    Raises:
        SecretLeak: the module, the data module or a logger has one.
    """
    leaks = [leak for logger in trainer.loggers if (leak := _emptied(logger))]
    if leaks:
        raise leaks[0]
    datamodule: Any = getattr(trainer, "datamodule", None)
    for owner in (module, datamodule):
        if owner is not None:
            # Those it was made with, which loggers get, and those it has by now.
            for hparams in (owner.hparams_initial, owner.hparams):
                refuse_secrets(hparams, _of(owner))


def _emptied(logger: Any) -> SecretLeak | None:
    """The refusal of what a logger has collected, which it then has no more.

    When a run fails, Lightning lets every logger save what it has.
    """
    hparams = getattr(logger, "hparams", None)
    try:
        refuse_secrets(hparams, _of(logger))
    except SecretLeak as leak:
        (hparams if isinstance(hparams, MutableMapping) else vars(hparams)).clear()
        return leak
    return None


def _of(owner: object) -> str:
    return f"hparams.yaml (of {type(owner).__name__})"
