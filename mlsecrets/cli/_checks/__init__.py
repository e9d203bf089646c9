"""What `mlsecrets doctor` looks at: functions that ask, and answer with a `Check`.

They print nothing and decide nothing about the exit status; the verb does.
"""

from ._check import Check, failed
from ._examine import examine

__all__ = ["Check", "examine", "failed"]
