"""Only what still is a secret is overwritten, and only where it was found."""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

if sys.platform != "linux":
    pytest.skip("writes memory as Linux lets it", allow_module_level=True)

from mlsecrets.memory import SecretBuffer
from mlsecrets.memory._maps import parse_region, read_maps
from mlsecrets.sweep._fill import Filler
from mlsecrets.sweep._forms import Form, Layout
from mlsecrets.sweep._runs import Run
from mlsecrets.sweep._target import Target

VALUE = b"qW3rTyUiOpaSdFgHjKlzXcVbNm0987654321"


class Ground:
    """Memory of this process with a copy of the value at its beginning."""

    def __init__(self, stack: ExitStack) -> None:
        layout = Layout([memoryview(VALUE)], stack)
        self.filler = Filler(layout, Target(os.getpid()), stack)
        self.pages = mmap.mmap(-1, 4 * mmap.PAGESIZE, flags=mmap.MAP_PRIVATE)
        self.pages[: len(VALUE)] = VALUE
        self.start = ctypes.addressof(ctypes.c_char.from_buffer(self.pages))
        self.whole = Run(self.start, 0, 0, len(VALUE), full=True)


@pytest.fixture
def ground() -> Iterator[Ground]:
    with ExitStack() as stack:
        yield Ground(stack)


def test_what_is_as_it_was_found_is_overwritten(ground: Ground) -> None:
    """To the byte: what stands beside it stays."""
    ground.pages[len(VALUE)] = 7
    assert ground.filler.fill([ground.whole], read_maps()) == 1
    assert ground.pages[: len(VALUE) + 1] == b"x" * len(VALUE) + b"\7"


@pytest.mark.parametrize("shift", range(8))
@pytest.mark.parametrize("cut", range(16, 36))
def test_a_field_that_begins_like_the_copy_it_cut_off_stays(
    ground: Ground, shift: int, cut: int
) -> None:
    """An allocator's size, say: overwritten, it would destroy the heap."""
    at = 8 + shift
    ground.pages[:] = bytes(len(ground.pages))
    ground.pages[at : at + cut] = VALUE[:cut]
    field = (at + cut) // 8 * 8  # the word that the copy ends in, or just before
    size = VALUE[field - at : field - at + 1] + bytes(7)
    ground.pages[field : field + 8] = size
    length = field - at + bool(size.strip(b"\0"))
    run = Run(ground.start + at, 0, 0, length, full=False)
    assert ground.filler.fill([run], read_maps()) == 1
    assert ground.pages[field : field + 8] == size
    left = ground.pages[at:field].strip(b"x")
    assert len(left.partition(b"x")[0]) <= 3


@pytest.mark.parametrize("cut", range(1, 8))
def test_a_field_that_ends_like_the_copy_it_cut_off_stays(
    ground: Ground, cut: int
) -> None:
    """A name of another program's, say, before what is left of the copy."""
    ground.pages[:8] = field = bytes(cut) + VALUE[cut:8]
    length = len(VALUE) - cut
    run = Run(ground.start + cut, 0, cut, length, full=False)
    assert ground.filler.fill([run], read_maps()) == 1
    assert ground.pages[:4] == field[:4]
    assert VALUE[8:] not in ground.pages[:]


def test_wide_characters_stay_characters(ground: Ground) -> None:
    """A NUL where a character was would end a string early."""
    ground.pages[: 2 * len(VALUE)] = VALUE.decode().encode("utf-16-le")
    run = Run(ground.start + 4, 1, 4, 24, full=False)
    assert ground.filler.fill([run], read_maps()) == 1
    text = ground.pages[: 2 * len(VALUE)].decode("utf-16-le")
    assert text == VALUE[:2].decode() + "x" * 12 + VALUE[14:].decode()


def test_very_long_values_fit() -> None:
    """Longer than what is written at a time."""
    value = bytes(i * 7 % 251 + 1 for i in range(Filler.ROOM + 5))
    with ExitStack() as stack:
        own = memoryview(value)
        layout = Layout.__new__(Layout)
        layout.forms = [Form(0, len(own), 1, 0, whole=False, jwt=False)]
        layout.buffer = stack.enter_context(SecretBuffer.of(own))
        copy = bytearray(value)
        start = ctypes.addressof(ctypes.c_char.from_buffer(copy))
        filler = Filler(layout, Target(os.getpid()), stack)
        run = Run(start, 0, 0, len(copy), full=True)
        assert filler.fill([run], read_maps()) == 1
        assert copy[: len(copy) // 4 * 4] == b"x" * (len(copy) // 4 * 4)


def test_what_has_changed_since_is_left_alone(ground: Ground) -> None:
    """The memory may be somebody else's by now."""
    ground.pages[20] = ord("!")
    before = ground.pages[:]
    assert ground.filler.fill([ground.whole], read_maps()) == 0
    assert ground.pages[:] == before


def test_memory_that_is_mapped_anew_is_left_alone(ground: Ground) -> None:
    """It may be locked memory of ours, which nobody could exclude in time."""
    before = read_maps()
    # The mapping is split: its first page may not be executed any more, as if new.
    mprotect = ctypes.CDLL(None).mprotect
    mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    assert mprotect(ground.start, mmap.PAGESIZE, 7) == 0
    try:
        assert ground.filler.fill([ground.whole], before) == 0
        assert ground.pages[: len(VALUE)] == VALUE
        # Looked at again, it is as it was found.
        assert ground.filler.fill([ground.whole], read_maps()) == 1
    finally:
        mprotect(ground.start, mmap.PAGESIZE, 3)


def test_a_heap_that_has_grown_is_the_same(ground: Ground) -> None:
    """Its line in the list has changed, its content has not."""
    now = read_maps()
    before = [shortened(line, ground.start + mmap.PAGESIZE) for line in now]
    assert before != now
    assert ground.filler.fill([ground.whole], before) == 1


def shortened(line: str, end: int) -> str:
    """The mapping as it was when it ended there, if it holds what lies before."""
    region = parse_region(line)
    if region is None or not region.start < end <= region.end:
        return line
    return line.replace(f"-{region.end:x} ", f"-{end:x} ")
