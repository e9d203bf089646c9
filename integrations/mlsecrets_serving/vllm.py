"""vLLM: its processes read the leases of the process that started them."""

from __future__ import annotations

import logging
import os

#: Where an owner is, or will be: a parent with leases, or a job's name.
_SAID = ("MLSECRETS_SOCK", "MLSECRETS_JOB")


def attach() -> None:
    """Have this process read ``s3://`` on the leases of its job, if it has any.

    What vLLM calls in each of its processes (group ``vllm.general_plugins``), perhaps
    several times. It leases nothing, and raises nothing: vLLM would not start. Where
    nobody has leases nothing changes.
    """
    from mlsecrets import MLSecretsError, open_scopes

    try:
        # What is said is not asked: the owner may be about to be another one.
        if any(os.environ.get(name) for name in _SAID) or open_scopes():
            from mlsecrets.storage.worker_s3 import route_plain_s3

            route_plain_s3()
    except (ImportError, MLSecretsError) as error:
        log = logging.getLogger("mlsecrets")
        log.warning("s3:// is not read on leases here: %s", error)
