"""The one private folder in which a stack lives: 0700, every file 0600.

A folder that we made is removed at the end. One that the user named keeps its logs, and
is emptied of the rest; so it must be new, empty, or a former stack's.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import tempfile
from pathlib import Path

from ._errors import DevStackError

MANIFEST = "mlsecrets.toml"
_LOGS = "logs"
#: Says that the folder is a stack's, and is locked while one lives there.
_MARK = ".devstack"


class Folder:
    """A private folder, held by one stack at a time.

    Args:
        path: where; None makes a temporary one.

    Raises:
        DevStackError: others may read it, it is not ours, or another stack lives there.
    """

    def __init__(self, path: Path | None) -> None:
        #: What stays when the stack ends; the folder itself goes if nothing does.
        self.keep: tuple[str, ...] = () if path is None else (_LOGS, _MARK)
        if path is None:
            self.path = Path(tempfile.mkdtemp(prefix="mlsecrets-devstack-")).resolve()
        else:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path = path.resolve()
            _check(self.path)
        self._lock = _locked(self.path / _MARK)
        self._clear()
        self.logs = self.folder(_LOGS)

    def folder(self, name: str) -> Path:
        """A sub-folder."""
        path = self.path / name
        path.mkdir(mode=0o700)
        return path

    def write(self, name: str, content: str | bytes) -> Path:
        """A new file that only this user can read, from its first byte on."""
        path = self.path / name
        data = content.encode() if isinstance(content, str) else content
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
            file.write(data)
        return path

    def secret(self, name: str) -> str:
        """A new random value of 256 bits, also written to a file of that name."""
        text = secrets.token_urlsafe(32)
        self.write(name, text)
        return text

    def release(self) -> None:
        """Let another stack have it."""
        os.close(self._lock)

    def _clear(self) -> None:
        """What a former stack left, its logs too."""
        for entry in self.path.iterdir():
            if entry.name == _MARK:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()


def _check(path: Path) -> None:
    status = path.stat()
    if status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise DevStackError(
            f"{path} must be private to this user, got mode {status.st_mode & 0o777:o}",
            remedy=f"chmod 700 {path}, or name a folder that does not exist yet",
        )
    if not (path / _MARK).exists() and any(path.iterdir()):
        raise DevStackError(
            f"{path} is not empty, and not a former development stack's",
            remedy="name a folder that is empty or does not exist yet",
        )


def _locked(path: Path) -> int:
    """A POSIX record lock: it ends with this process, and forks do not inherit it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise DevStackError(
            f"another development stack lives in {path.parent}",
            remedy="stop that one, or name another folder",
        ) from None
    return descriptor
