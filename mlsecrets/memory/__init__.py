"""Memory for secrets: locked, left out of core dumps, wiped after the last reader.

>>> from mlsecrets.memory import SecretBuffer
>>> with SecretBuffer.of("AKIDEXAMPLE", "not really secret") as buffer:
...     key_id, key = buffer.slots
...     buffer.text(*key_id)
'AKIDEXAMPLE'
>>> buffer
<SecretBuffer 28 bytes, closed>

What this can and cannot promise is written down in ``docs/limits.md``: a Python `str`
made by `SecretBuffer.text` is an ordinary object that nobody can wipe.
"""

from ._buffer import SecretBuffer, Slot
from ._pages import Protection
from ._scan import CopyReport, count_copies
from ._wipe import wipe_own_bytes

__all__ = [
    "CopyReport",
    "Protection",
    "SecretBuffer",
    "Slot",
    "count_copies",
    "wipe_own_bytes",
]
