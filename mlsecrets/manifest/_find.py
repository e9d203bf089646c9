"""Finding the manifest of this process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ..errors import ManifestError, ManifestNotFound

FILE_NAME = "mlsecrets.toml"
VARIABLE = "MLSECRETS_CONFIG"

_REMEDY = (
    "`mlsecrets init` writes one to fill in; "
    "`mlsecrets dev` starts a stack to try with and writes one that works"
)


def find(explicit: Path | str | None, environ: Mapping[str, str], cwd: Path) -> Path:
    """The path of the manifest, absolute.

    Looked for in this order:

    1. `explicit`, as given to ``configure(...)`` or ``--config``;
    2. the file that ``MLSECRETS_CONFIG`` names, unless it is empty;
    3. ``mlsecrets.toml`` in `cwd` and its parents, nearest first.

    Raises:
        ManifestNotFound: no such file; what is named is never passed over for the next.
        ManifestError: the search met a file that another user put there.
    """
    if explicit is not None:
        return _named(Path(explicit), cwd, "")
    if environ.get(VARIABLE):
        return _named(Path(environ[VARIABLE]), cwd, f"{VARIABLE} names ")
    folder = cwd.absolute()
    for candidate in (folder, *folder.parents):
        if os.path.isfile(candidate / FILE_NAME):  # noqa: PTH113  # False if forbidden
            return _ours(candidate / FILE_NAME)
    raise ManifestNotFound(
        f"no {FILE_NAME} in {folder} or a folder above it, and {VARIABLE} is not set",
        remedy=_REMEDY,
    )


def _ours(path: Path) -> Path:
    """The file, if this user or root wrote it.

    Anybody can put a manifest into /tmp, and it would send our identity to a server of
    theirs. (git refuses repositories of other users for the same reason.)
    """
    owner = path.stat().st_uid
    if hasattr(os, "geteuid") and owner not in {0, os.geteuid()}:
        raise ManifestError(
            f"{path} belongs to user {owner}; expected {os.geteuid()} or root",
            remedy=f"if you trust it, say so: {VARIABLE}={path}",
        )
    return path


def _named(path: Path, cwd: Path, who: str) -> Path:
    path = cwd.absolute() / path
    if os.path.isfile(path):  # noqa: PTH113  # False also where looking is forbidden
        return path
    if os.path.isdir(path):  # noqa: PTH112
        what = f"{who}{path}, which is a folder; expected a file such as {FILE_NAME}"
    else:
        what = f"{who}{path}, which is not there or not ours to see"
    raise ManifestNotFound(f"no manifest: {what}", remedy=_REMEDY)
