"""What a forked child must not close: the file systems of its parent.

fsspec forgets them in the child, and when the garbage collector finds them there, s3fs
closes their connections on the child's event loop. These belong to the parent: their
sockets are shared, and so is the selector they are registered with, so the parent's
next reads hang until they time out, and the child prints a traceback. A file system
that the child keeps for ever is never closed.
"""

from __future__ import annotations

import os
import sys
from typing import Any

_inherited: list[Any] = []


def _keep() -> None:
    s3fs = sys.modules.get("s3fs")
    if s3fs is None:
        return
    for kind in (s3fs.S3FileSystem, *s3fs.S3FileSystem.__subclasses__()):
        # The cache of instances, which fsspec itself empties in the child.
        _inherited.extend(kind._cache.values())  # noqa: SLF001  there is no other way


if hasattr(os, "register_at_fork"):
    # Before the fork, because in the child fsspec's own hook comes first.
    os.register_at_fork(before=_keep, after_in_parent=_inherited.clear)
