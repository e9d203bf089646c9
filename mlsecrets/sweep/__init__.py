"""Looking for copies of secrets in this process, from outside, and wiping them.

A revealed secret is a Python string, and copies of it lie in clients, buffers and freed
memory. `sweep` starts a helper process that reads all of this one's private memory,
stops its threads for a few milliseconds to overwrite what it found, and looks again.
It is a process of its own because nothing in this one can go on while its threads stand
still: tried, that hung or crashed whenever one of them held the allocator's lock.
"""

from ._report import SweepReport
from ._sweep import sweep

__all__ = ["SweepReport", "sweep"]
