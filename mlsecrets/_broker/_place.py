"""Where an owner and those who look for it meet: a folder, a socket, a lock.

The folder is this user's alone. ``owner.lock`` says who owns the place, ``socket`` is
where that process answers. The path stays the same when the owner changes, so those
who know it find the next one.
"""

from __future__ import annotations

import hashlib
import os
import socket
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .._forks import closes, held_off
from ..errors import OwnerGone
from . import _lock

#: Bytes of a socket's path on Linux, without the closing zero (unix(7): sun_path).
LONGEST_PATH = 107
#: Processes that may knock at the same time; 16 DataLoader workers on 8 ranks do.
BACKLOG = 128

#: How private folders begin; a job's has sixteen hexadecimal digits for a name.
_PRIVATE = "mlsecrets-"
_SOCKET = "socket"
#: Its name until it listens; no longer than the other one.
_BEFORE = "bound"

_SHORTER = "set XDG_RUNTIME_DIR or TMPDIR to a short, writable folder"

#: An owner may remove a private folder just when another process would take it.
_TRIES = 8

_Listening = socket.socket
#: The private folder that this process used before, with its process id.
_reserved: tuple[int, Path] | None = None


@dataclass(frozen=True)
class Place:
    """A folder in which one process at a time owns leases and answers for them.

    Make one with `private`, `of_job` or `at`.
    """

    folder: Path

    @property
    def socket(self) -> Path:
        """Where the owner answers."""
        return self.folder / _SOCKET

    @property
    def lock(self) -> Path:
        """What the owner holds."""
        return self.folder / "owner.lock"

    @classmethod
    def private(cls) -> Place:
        """A new place, of one process and those that it tells the path.

        The same one for each block of a process where possible: a forkserver keeps the
        environment that it was started with, and in it the path of an earlier block.

        Raises:
            OwnerGone: no folder is usable.
        """
        global _reserved  # noqa: PLW0603  a process has one
        if _reserved is not None and _reserved[0] == os.getpid():
            with suppress(OSError):
                # Fails if it is in use, or if somebody else took the name meanwhile.
                _reserved[1].mkdir(mode=0o700)
                return cls(_reserved[1])
        folder = _fresh_folder()
        if _reserved is None or _reserved[0] != os.getpid():
            _reserved = (os.getpid(), folder)
        return cls(folder)

    @classmethod
    def of_job(cls, name: str) -> Place:
        """The place of a job: the same one for each of its processes on this machine.

        In ``$XDG_RUNTIME_DIR/mlsecrets``, or ``mlsecrets-<uid>`` in the temporary
        folder; made if it is not there.

        Raises:
            OwnerGone: no folder is usable, or one is not this user's alone.
        """
        digest = hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()[:16]
        return cls(_shared_folder(digest))

    @classmethod
    def at(cls, path: Path) -> Place:
        """The place of a socket whose path was inherited."""
        return cls(path.parent)

    def take(self) -> bool:
        """Become the owner, without waiting, until `give_up`; False if there is one.

        A socket that the last owner left behind is removed.

        Raises:
            OwnerGone: the folder is not this user's alone, or cannot be used.
        """
        try:
            if not self._take_lock():
                return False
        except OSError as error:
            raise self._unusable(error) from None
        try:
            for stale in (self.socket, self.folder / _BEFORE):
                stale.unlink(missing_ok=True)
        except OSError as error:
            _lock.give_up(self.lock)
            raise self._unusable(error) from None
        return True

    def make_folder(self) -> None:
        """Have the folder: it is gone if its owner has ended, or /tmp was cleaned up.

        Raises:
            OwnerGone: it cannot be had, or is not this user's alone.
        """
        try:
            with suppress(FileExistsError):
                self.folder.mkdir(mode=0o700)
            check_folder(self.folder)
        except OSError as error:
            raise self._unusable(error) from None

    def give_up(self) -> None:
        """Stop being the owner, and take the socket away; nothing if it is not.

        A private folder goes with it. A job's stays with its lock, which others may
        have open in order to take it.
        """
        if _lock.is_ours(self.lock):
            # All of it before the lock is released: what is there after that, and in a
            # private folder after its lock is unlinked, is the next owner's.
            names = [self.socket, self.folder / _BEFORE]
            private = self.folder.name.startswith(_PRIVATE)
            if private:
                names.append(self.lock)
            with suppress(OSError):
                for path in names:
                    path.unlink(missing_ok=True)
                if private:
                    self.folder.rmdir()
                else:
                    _lock.keep(self.lock, not_any_more=True)
        _lock.give_up(self.lock)

    def is_ours(self) -> bool:
        """Whether this process is the owner."""
        return _lock.is_ours(self.lock)

    def holder(self) -> int | None:
        """The owner: its process id, `NOBODY` or `UNSEEN`; None if nobody can say.

        Raises:
            OwnerGone: there is no lock, so never was an owner.
        """
        try:
            return _lock.holder(self.lock)
        except OSError as error:
            raise OwnerGone(
                f"nobody can own {self.socket}: {self.lock.name} cannot be read "
                f"({error.strerror})",
                remedy="find out who made the folder, and remove it",
            ) from None

    def holder_is_gone(self) -> bool:
        """Whether it has no owner: not yet, or not any more.

        Raises:
            OwnerGone: its lock cannot be read.
        """
        if not os.path.lexists(self.lock):
            return True
        holder = self.holder()
        if holder is not None:
            return holder == _lock.NOBODY
        # The system does not tell whose it is, but whether it can be had.
        free = _lock.take(self.lock)
        if free:
            _lock.give_up(self.lock)
        return free

    def bind(self) -> _Listening:
        """A socket that listens here; the owner's alone to ask for.

        It gets its name when it listens already, so nobody meets a half-made one.

        Raises:
            OwnerGone: this process is not the owner, or no socket can be made.
        """
        if not self.is_ours():
            raise OwnerGone(
                f"this process does not hold {self.lock}, so it cannot listen there",
                remedy="take the place first",
            )
        check_length(self.socket)
        try:
            return _listen(self.folder / _BEFORE, self.socket)
        except OSError as error:
            raise self._unusable(error) from None

    def _take_lock(self) -> bool:
        for _ in range(_TRIES):
            # It may be gone: the last owner ended, or something cleans up /tmp.
            with suppress(FileExistsError):
                self.folder.mkdir(mode=0o700)
            # And again, while we look: then it is made again.
            with suppress(FileNotFoundError):
                check_folder(self.folder)
                return _lock.take(self.lock)
        return False

    def _unusable(self, error: OSError) -> OwnerGone:
        reason = error.strerror or type(error).__name__
        return OwnerGone(
            f"the folder {self.folder} cannot hold the socket that leases are read "
            f"through ({reason})",
            remedy=f"remove it if it is no longer used; or {_SHORTER}",
        )


def places() -> list[Place]:
    """Where this user's processes on this machine own leases, or have owned some."""
    found = []
    for base in _bases():
        for pattern in (f"{_PRIVATE}*/{_SOCKET}", f"mlsecrets*/*/{_SOCKET}"):
            for path in _globbed(base, pattern):
                with suppress(OSError, OwnerGone):  # gone by now, or another user's
                    check_folder(path.parent)
                    found.append(Place.at(path))
    return found


def _globbed(base: Path, pattern: str) -> list[Path]:
    """What is there; anew if a folder went away under `glob`, which raises then."""
    for _ in range(_TRIES):
        with suppress(FileNotFoundError):
            return sorted(base.glob(pattern))
    return []


def _listen(before: Path, after: Path) -> _Listening:
    before.unlink(missing_ok=True)
    with held_off():
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        closes(listening)
    try:
        listening.bind(str(before))
        before.chmod(0o600)
        _lock.keep(before)
        listening.listen(BACKLOG)
        before.replace(after)
    except BaseException:
        listening.close()
        raise
    return listening


def check_length(path: Path) -> None:
    """Raise `OwnerGone` if a path is too long for a socket."""
    length = len(os.fsencode(path))
    if length > LONGEST_PATH:
        raise OwnerGone(
            f"the path of the socket has {length} bytes, and a socket's may have "
            f"{LONGEST_PATH}: {path}",
            remedy=_SHORTER,
        )


def check_folder(folder: Path) -> None:
    """Raise unless a folder is real, this user's, and closed to all others.

    Raises:
        OwnerGone: it is not, and who can enter it could have planted what is in it.
        FileNotFoundError: there is none.
    """
    status = folder.lstat()
    mode = stat.S_IMODE(status.st_mode)
    if not stat.S_ISDIR(status.st_mode):
        came = "it is a link" if stat.S_ISLNK(status.st_mode) else "it is no folder"
    elif status.st_uid != os.getuid() or mode & 0o077:
        came = (
            f"owner {status.st_uid}, mode {mode:o}; expected {os.getuid()}, 700 or less"
        )
    else:
        return
    raise OwnerGone(
        f"the folder {folder} is not this user's alone ({came})",
        remedy="find out who made it, and remove it; trust nothing that is in it",
    )


def _fresh_folder() -> Path:
    for base in _bases():
        # mkdtemp adds 8 characters; pytest's and Lightning's folders are too long.
        example = base / f"{_PRIVATE}12345678" / _SOCKET
        if len(os.fsencode(example)) > LONGEST_PATH:
            continue
        try:
            return Path(tempfile.mkdtemp(prefix=_PRIVATE, dir=base))
        except OSError:
            continue
    raise OwnerGone(
        "no folder can hold the socket that workers read leases through",
        remedy=_SHORTER,
    )


def _shared_folder(name: str) -> Path:
    refused = []
    for base in _bases():
        own = base == _runtime_folder()
        parent = base / ("mlsecrets" if own else f"mlsecrets-{os.getuid()}")
        folder = parent / name
        if len(os.fsencode(folder / _SOCKET)) > LONGEST_PATH:
            refused.append(f"{base}: too long")
            continue
        try:
            if not _keeps_names(base.stat()):
                refused.append(f"{base}: others may rename what is in it")
                continue
            for made in (parent, folder):
                with suppress(FileExistsError):
                    made.mkdir(mode=0o700)
                # If it is not ours alone there is no next one: that somebody made it
                # is to be known, and processes of one job must not part.
                check_folder(made)
        except OSError as error:
            refused.append(f"{base}: {error.strerror}")
            continue
        return folder
    raise OwnerGone(
        f"no folder can hold the socket of this job ({'; '.join(refused)})",
        remedy=_SHORTER,
    )


def _keeps_names(base: os.stat_result) -> bool:
    """Whether nobody but its owner can move away what this user puts into a folder."""
    if not stat.S_ISDIR(base.st_mode) or base.st_uid not in {os.getuid(), 0}:
        return False
    return not base.st_mode & 0o022 or bool(base.st_mode & stat.S_ISVTX)


def _bases() -> list[Path]:
    runtime, temporary = _runtime_folder(), Path(tempfile.gettempdir())
    found = ([runtime] if runtime else []) + [temporary, Path("/tmp")]  # noqa: S108
    return list(dict.fromkeys(found))


def _runtime_folder() -> Path | None:
    path = os.environ.get("XDG_RUNTIME_DIR")
    # "All paths must be absolute" (XDG Base Directory Specification).
    return Path(path) if path and Path(path).is_absolute() else None
