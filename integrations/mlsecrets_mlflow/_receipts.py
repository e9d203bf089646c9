"""Tags that say what a run could read and write, for a model's provenance."""

from __future__ import annotations

import logging

from mlflow.tracking.context.abstract_context import RunContextProvider

from mlsecrets import Receipt, receipts
from mlsecrets.errors import MLSecretsError

_log = logging.getLogger(__name__)

#: Before the scope's name, in the key of its tag.
PREFIX = "mlsecrets.lease."


class LeaseRunContext(RunContextProvider):
    """Has MLflow tag each run it creates with a receipt of each lease that is open.

    Scope, version, owner, issuer, what it allows, and a hash of the lease's id. MLflow
    finds it by entry point; nothing has to be called.
    """

    def in_context(self) -> bool:
        """Whether there is anything to tell."""
        return bool(_receipts())

    def tags(self) -> dict[str, str]:
        """A receipt of each lease, as JSON."""
        return {PREFIX + told.scope: told.to_json() for told in _receipts()}


def _receipts() -> tuple[Receipt, ...]:
    try:
        return receipts()
    except MLSecretsError as error:  # a run is worth more than its tags
        _log.warning("no lease receipts for this run: %s", error)
        return ()
