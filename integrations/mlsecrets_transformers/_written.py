"""What the Trainer writes of a run, searched for secrets before it is written."""

from __future__ import annotations

from typing import Any

from mlsecrets import refuse_secrets


def refuse_written(args: Any, state: Any, model: Any) -> None:
    """Refuse secrets in what checkpoints hold besides tensors, and loggers get.

    Raises:
        SecretLeak: one is in the arguments, the state or the model's configuration.
    """
    refuse_secrets(args, "training_args.bin")
    refuse_secrets(state, "trainer_state.json")
    for name in ("config", "generation_config"):
        written = getattr(model, name, None)
        if written is not None:
            refuse_secrets(vars(written), f"{name}.json")
