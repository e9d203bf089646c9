"""The memory of the process that is swept, as its helper reads and writes it."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

_MOST = 1024  # pieces that one call takes (IOV_MAX, sysconf(3))


class IOVec(ctypes.Structure):
    """struct iovec (readv(2)): an address and a length."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class Piece(NamedTuple):
    """Bytes in this process and in the other; `length` is of both."""

    here: int
    there: int
    length: int


class Target:
    """Another process's memory, by address."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        libc = ctypes.CDLL(None, use_errno=True)
        self._readv = libc.process_vm_readv
        self._writev = libc.process_vm_writev
        for function in (self._readv, self._writev):
            function.restype = ctypes.c_ssize_t
            function.argtypes = (
                ctypes.c_int,
                ctypes.c_void_p,
                ctypes.c_ulong,
                ctypes.c_void_p,
                ctypes.c_ulong,
                ctypes.c_ulong,
            )

    def read(self, here: int, there: int, length: int) -> int:
        """Read up to the first page that cannot be; how many bytes that was.

        Raises:
            OSError: this process may not, or its kernel does not do it.
        """
        return max(0, self._move(self._readv, [Piece(here, there, length)]))

    def read_all(self, pieces: Sequence[Piece]) -> list[Piece]:
        """Read many pieces; those that could be read whole."""
        return self._all(self._readv, pieces)

    def write_all(self, pieces: Sequence[Piece]) -> list[Piece]:
        """Write many pieces; those that could be written whole."""
        return self._all(self._writev, pieces)

    def _all(self, move: Any, pieces: Sequence[Piece]) -> list[Piece]:
        done: list[Piece] = []
        at = 0
        while at < len(pieces):
            batch = pieces[at : at + _MOST]
            moved = self._move(move, batch)
            for piece in batch:
                if moved < piece.length:
                    at += 1  # this one is what it stopped at
                    break
                moved -= piece.length
                done.append(piece)
                at += 1
        return done

    def _move(self, move: Any, pieces: Sequence[Piece]) -> int:
        vector = IOVec * len(pieces)
        here = vector(*(IOVec(piece.here, piece.length) for piece in pieces))
        there = vector(*(IOVec(piece.there, piece.length) for piece in pieces))
        count = len(pieces)
        moved: int = move(
            self.pid, ctypes.addressof(here), count, ctypes.addressof(there), count, 0
        )
        if moved >= 0:
            return moved
        code = ctypes.get_errno()
        if code == errno.EFAULT:  # not even the first byte
            return 0
        raise OSError(code, os.strerror(code))


def next_page(address: int) -> int:
    """Where the page after this address begins."""
    return address // mmap.PAGESIZE * mmap.PAGESIZE + mmap.PAGESIZE
