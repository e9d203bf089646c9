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
from ._draft import Draft
from ._opaque import Opaque
from ._pages import live_mappings
from ._posture import Posture
from ._protection import Protection
from ._scan import CopyReport, count_copies
from ._scrub import copy, scrub, why_not_scrubbed
from ._sealed import Sealed
from ._wipe import wipe_own_bytes
from ._wiped import Wiped

__all__ = [
    "CopyReport",
    "Draft",
    "Opaque",
    "Posture",
    "Protection",
    "Sealed",
    "SecretBuffer",
    "Slot",
    "Wiped",
    "copy",
    "count_copies",
    "live_mappings",
    "scrub",
    "why_not_scrubbed",
    "wipe_own_bytes",
]
