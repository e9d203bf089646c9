"""LightningCLI inside a block of leases."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal

from lightning.pytorch import Trainer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.plugins.io import CheckpointIO

from mlsecrets import configure, lease, refuse_secrets

from ._callback import LeaseCallback
from ._checkpoint_io import LeaseCheckpointIO, room_of


@dataclass
class LeaseOptions:
    """The leases of a run.

    Args:
        scopes: names from the manifest.
        manifest: where that is; as `mlsecrets.lease` finds it if None.
        on_doomed: what becomes of a run whose lease ends; null to watch nothing.
        pause_limit: seconds that a pause may take.
        reserve: seconds that a save may take; learned if None.
    """

    scopes: list[str] = field(default_factory=list)
    manifest: str | None = None
    on_doomed: Literal["stop", "pause"] | None = "stop"
    pause_limit: float = 3600.0
    reserve: float | None = None


class LeaseCLI(LightningCLI):
    """`LightningCLI` whose scopes come from its configuration.

    ::

        python train.py fit --lease.scopes '[train-data, checkpoints]' …

    They are leased before anything is made of the configuration, such as a
    `ModelCheckpoint`, which opens its folder, and ended after the subcommand. A
    `LeaseCallback` and a `LeaseCheckpointIO` are added where the configuration has
    none. A configuration that holds a live secret is refused: it would be saved.

    With ``run=False`` nothing is run, so the leases last until `close`, or the end of a
    block::

        with LeaseCLI(Net, run=False) as cli:
            cli.trainer.fit(cli.model)

    It takes what `LightningCLI` takes.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._leases = ExitStack()
        try:
            super().__init__(*args, **kwargs)
        except BaseException:
            self.close()
            raise
        if self.subcommand is not None:
            self.close()

    def close(self) -> None:
        """End the leases; no effect if that has been done."""
        self._leases.close()

    def __enter__(self) -> LeaseCLI:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def add_default_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add ours to those of Lightning."""
        super().add_default_arguments_to_parser(parser)
        parser.add_class_arguments(LeaseOptions, "lease")

    def instantiate_classes(self) -> None:
        """Lease, and only then make anything.

        Raises:
            SecretLeak: the configuration holds a live secret.
        """
        options = self._get(self.config, "lease")
        if options["manifest"] is not None:
            configure(options["manifest"])
        if options["scopes"]:
            self._leases.enter_context(lease(*options["scopes"]))
        refuse_secrets(self.config.as_dict(), "config.yaml")
        super().instantiate_classes()

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Make the Trainer, with what belongs to leases."""
        options = self._get(self.config, "lease")
        given = {**self._get(self.config_init, "trainer", default={}), **kwargs}
        callbacks = _listed(given.get("callbacks"))
        always = _listed(self.trainer_defaults.get("callbacks"))
        if not any(isinstance(one, LeaseCallback) for one in callbacks + always):
            callbacks.append(
                LeaseCallback(
                    *options["scopes"],
                    on_doomed=options["on_doomed"],
                    pause_limit=options["pause_limit"],
                )
            )
        plugins = _listed(given.get("plugins"))
        writers = [one for one in plugins if isinstance(one, CheckpointIO)]
        if not any(room_of(one) for one in writers):
            writer = LeaseCheckpointIO(next(iter(writers), None), options["reserve"])
            plugins = [one for one in plugins if one not in writers] + [writer]
        return super().instantiate_trainer(
            **{**kwargs, "callbacks": callbacks, "plugins": plugins}
        )


def _listed(value: Any) -> list[Any]:
    """What Lightning takes one of, or several, or none."""
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]
