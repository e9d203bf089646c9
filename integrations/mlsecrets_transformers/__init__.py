"""The Hugging Face Trainer and Accelerate on leased credentials.

::

    with lease("train-data", "checkpoints", "mlflow"):      # outermost
        callback = LeaseTrainerCallback(checkpoints="leases3://checkpoints/run-7")
        args = TrainingArguments("out", save_steps=500, report_to="mlflow")
        trainer = Trainer(model, args, train_dataset=data, callbacks=[callback])
        trainer.train(resume_from_checkpoint=callback.resume_from(args))

The Trainer writes checkpoints to a local folder, and knows no other; the callback sends
them to the store. Under torchrun and ``accelerate launch`` each rank runs the whole
program, block included, and all of a node share one owner.
"""

from __future__ import annotations

from ._accelerate import AccelerateRun
from ._callback import LeaseTrainerCallback

__all__ = ["AccelerateRun", "LeaseTrainerCallback"]
