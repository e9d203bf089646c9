"""Checkpoint folders of a local disk, at a leased URL as well."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import fsspec

from mlsecrets.training import SaveRoom
from mlsecrets_torch.objects import LEASED, leased, using, writing
from mlsecrets_torch.ranks import together

#: The object that is written last, into a folder that is whole.
MARK = ".complete"
_NUMBERED = re.compile(r"checkpoint-(\d+)")


class Mirror:
    """Where folders called ``checkpoint-N`` are copied to, and fetched from.

    A folder counts once all ranks have sent what they have of it.

    Args:
        url: above the folders, ``leases3://bucket/prefix``; or ``s3://``, leased too.
        room: how long sending a folder may take.

    Raises:
        ValueError: it is no such URL.
    """

    def __init__(self, url: str, room: SaveRoom | None = None) -> None:
        self.url = leased(url).rstrip("/")
        if not self.url.startswith(LEASED):
            raise ValueError(
                f"checkpoints go to leases3://bucket/prefix or s3://…, got {url!r}"
            )
        self.room = SaveRoom() if room is None else room

    def check(self) -> None:
        """Make sure that a folder can be sent, without asking the store.

        Raises:
            NotLeased, LeaseExpired: no lease can be written with.
        """
        with using("write", f"{self.url}/checkpoint-1/{MARK}"):
            pass

    def put(self, folder: Path, *, sends: bool, first: bool) -> str:
        """Send a folder; called on every rank.

        Args:
            folder: on this machine's disk.
            sends: whether this rank sends what this machine has.
            first: whether this is the one rank that says what is whole.

        Returns:
            Where it is.

        Raises:
            LeaseError, OSError: it could not be sent, from here or by another rank.
        """
        target = f"{self.url}/{folder.name}"
        mark = f"{target}/{MARK}"

        def unmark() -> None:
            with writing(mark, self.room):
                store = _store()
                if store.exists(mark):
                    store.rm_file(mark)

        def send() -> None:
            with writing(mark, self.room):
                files = [path for path in folder.rglob("*") if path.is_file()]
                names = [file.relative_to(folder).as_posix() for file in files]
                # All at a time, by the file system's own loop.
                _store().put(list(map(str, files)), [f"{target}/{n}" for n in names])

        def complete() -> None:
            with writing(mark, self.room):
                _store().pipe_file(mark, b"whole\n")

        together(unmark if first else None)
        together(send if sends else None)
        together(complete if first else None)
        return target

    def keep(self, names: Iterable[str]) -> None:
        """Remove all folders but these."""
        kept = set(names)
        with using("write", f"{self.url}/checkpoint-1/{MARK}"):
            store = _store()
            for name in self.names():
                if name not in kept:
                    # First the mark: what is half removed must not count.
                    store.rm_file(f"{self.url}/{name}/{MARK}")
                    store.rm(f"{self.url}/{name}", recursive=True)

    def names(self) -> list[str]:
        """The folders that are whole, oldest first."""
        with using("read", f"{self.url}/checkpoint-1/{MARK}"):
            marks = _store().glob(f"{self.url}/checkpoint-*/{MARK}")
        folders = [Path(mark).parent.name for mark in marks]
        return sorted(filter(_NUMBERED.fullmatch, folders), key=number)

    def fetch(self, into: Path, *, fetches: bool) -> str | None:
        """Fetch the newest folder that is whole; called on every rank.

        Args:
            into: the folder of the local disk above it.
            fetches: whether this rank fetches for its machine.

        Returns:
            Where it is now; None if there is none.

        Raises:
            LeaseError, OSError: it could not be fetched, here or by another rank.
        """
        names = self.names()
        if not names:
            return None
        folder = into / names[-1]
        together((lambda: self.get(names[-1], folder)) if fetches else None)
        return str(folder)

    def get(self, name: str, folder: Path) -> None:
        """Fetch a folder; what is at its place on the disk is replaced by it."""
        part = folder.with_name(f"{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        with using("read", f"{self.url}/{name}/{MARK}"):
            store = _store()
            top = store._strip_protocol(f"{self.url}/{name}")  # noqa: SLF001  fsspec's way
            found = [path for path in store.find(top) if not path.endswith(MARK)]
            targets = [str(part / os.path.relpath(path, top)) for path in found]
            store.get(found, targets)
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)


def number(name: str) -> int:
    """Of ``checkpoint-N``; 0 for other names."""
    found = _NUMBERED.fullmatch(name)
    return int(found[1]) if found else 0


def _store() -> Any:
    store = fsspec.filesystem("leases3")
    store.invalidate_cache()  # other processes write there, too
    return store
