"""Logs of other libraries, which write down what they send."""

from __future__ import annotations

import logging

from ._search import first


class _Withhold(logging.Filter):
    """Replaces a record that holds a live secret by one that says so."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let it pass, perhaps without what it was to say."""
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            return False  # the arguments do not fit, and logging would print them
        error = record.exc_info[1] if record.exc_info else None
        found = first([message, error])
        if found is not None:
            record.msg = f"withheld: it holds the {found.owned}"
            record.args = None
            record.exc_info = record.exc_text = None
        return True


_WITHHOLD = _Withhold()


def withhold_from_logs(*names: str) -> None:
    """Have these loggers withhold records that hold a live secret, from now on.

    For libraries that log requests as they are signed. It costs nothing while their
    level lets nothing through. Loggers below the named ones are not affected.
    """
    for name in names:
        logging.getLogger(name).addFilter(_WITHHOLD)  # once: it is the same object
