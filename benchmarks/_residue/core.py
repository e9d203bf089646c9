"""Reading a core file: memory and the threads' saved registers (core(5), elf(5))."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

_LOAD, _NOTE = 1, 4
#: The number of segments does not fit: it is in section 0 (elf(5), PN_XNUM).
_MANY = 0xFFFF
_PRSTATUS, _FPREGSET, _XSTATE = 1, 2, 0x202
#: Where the stack pointer is in NT_PRSTATUS of x86-64 (elf_prstatus, user_regs_struct).
_STACK_POINTER = 112 + 19 * 8

Array = Any  # numpy's arrays of different types


@dataclass(frozen=True)
class Note:
    """What the kernel or the debugger says of the process or of a thread.

    Attributes:
        kind: its number.
        content: its bytes.
    """

    kind: int
    content: Array


class Core:
    """One core file, mapped."""

    def __init__(self, path: Path) -> None:
        self._file: Array = np.memmap(path, dtype=np.uint8, mode="r")
        head = self._file[:64].tobytes()
        if head[:6] != b"\x7fELF\x02\x01":
            raise ValueError(f"{path.name} is no core file of a 64-bit process")
        offset, sections = struct.unpack_from("<QQ", head, 32)
        size, count = struct.unpack_from("<HH", head, 54)
        if count == _MANY:
            (count,) = struct.unpack("<I", self._bytes(sections + 44, 4))
        self._segments = [
            struct.unpack("<IIQQQQQQ", self._bytes(offset + n * size, 56))
            for n in range(count)
        ]

    def memory(self) -> Iterator[tuple[int, Array]]:
        """Address and content of every segment that was dumped."""
        for kind, _, offset, address, _, length, _, _ in self._segments:
            if kind == _LOAD and length:
                yield address, self._file[offset : offset + length]

    def registers(self) -> list[Note]:
        """Of every thread, once: what is in XSTATE repeats what is in FPREGSET."""
        notes = list(self._notes())
        whole = any(note.kind == _XSTATE for note in notes)
        wanted = {_PRSTATUS, _XSTATE if whole else _FPREGSET}
        return [note for note in notes if note.kind in wanted]

    def stack_pointers(self) -> list[int]:
        """Of every thread."""
        return [
            struct.unpack("<Q", _at(note.content, _STACK_POINTER, 8))[0]
            for note in self._notes()
            if note.kind == _PRSTATUS
        ]

    def _notes(self) -> Iterator[Note]:
        for kind, _, offset, _, _, length, _, _ in self._segments:
            at, end = offset, offset + length
            while kind == _NOTE and at + 12 <= end:
                name, size, number = struct.unpack("<III", self._bytes(at, 12))
                at += 12 + _padded(name)
                yield Note(number, self._file[at : at + size])
                at += _padded(size)

    def _bytes(self, at: int, length: int) -> bytes:
        return _at(self._file, at, length)


def _at(array: Array, at: int, length: int) -> bytes:
    content: bytes = array[at : at + length].tobytes()
    return content


def _padded(length: int) -> int:
    return (length + 3) // 4 * 4
