"""Pieces of secrets are found in memory wherever they begin and end."""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("numpy")
if sys.platform != "linux":
    pytest.skip("reads memory as Linux lets it", allow_module_level=True)

from mlsecrets.sweep._forms import Layout
from mlsecrets.sweep._fragments import FragmentSearch
from mlsecrets.sweep._runs import STEP
from mlsecrets.sweep._target import Target

VALUE = b"qW3rTyUiOp/aSdFgHjKl+zXcVbNm0987654321"


class Ground:
    """Memory to plant in and to search, of this process itself."""

    def __init__(self, stack: ExitStack) -> None:
        self.layout = Layout([memoryview(VALUE)], stack)
        self.search = FragmentSearch(self.layout, Target(os.getpid()), stack)
        self.pages = mmap.mmap(-1, 2 * STEP, flags=mmap.MAP_PRIVATE)
        self.start = ctypes.addressof(ctypes.c_char.from_buffer(self.pages))

    def plant(self, at: int, piece: bytes) -> None:
        self.pages[at : at + len(piece)] = piece

    def found(self) -> list[tuple[int, int, bool]]:
        """Where runs begin, how long they are, and whether they are full copies."""
        return [
            (run.address - self.start, run.length, run.full)
            for run in self.search.runs(self.start, self.start + 2 * STEP)
        ]

    def form(self, index: int) -> bytes:
        form = self.layout.forms[index]
        return bytes(self.layout.view[form.start : form.start + form.length])


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    """Made once: the tables are large."""
    with ExitStack() as stack:
        yield Ground(stack)


@given(st.data())
def test_a_run_is_found_if_it_is_long_enough(
    ground: Ground, data: st.DataObject
) -> None:
    """From twelve characters on, in every form, also across two reads."""
    index = data.draw(st.sampled_from(range(len(ground.layout.forms))))
    form, unit = ground.form(index), ground.layout.forms[index].unit
    begin = data.draw(st.integers(0, len(form) // unit - 1)) * unit
    end = data.draw(st.integers(begin // unit + 1, len(form) // unit)) * unit
    place = data.draw(st.sampled_from((0, 4096, STEP - len(form) // 2 // 4 * 4)))
    # Wide characters are aligned, as in a Python string.
    at = place + data.draw(st.integers(0, 20)) * unit
    piece = form[begin:end]
    ground.plant(at, piece)
    try:
        found = ground.found()
    finally:
        ground.plant(at, bytes(len(piece)))
    long_enough = end - begin >= 12 * unit
    assert found == ([(at, end - begin, piece == form)] if long_enough else [])


def test_neighbours_are_told_apart(ground: Ground) -> None:
    """Copies side by side, a piece after a copy, two forms in a row."""
    plain, wide = ground.form(0), ground.form(1)
    ground.plant(100, plain + plain + plain[5:20] + b"\1" + wide)
    n = len(plain)
    assert ground.found() == [
        (100, n, True),
        (100 + n, n, True),
        (100 + 2 * n, 15, False),
        (100 + 2 * n + 16, 2 * n, True),
    ]
    ground.plant(100, bytes(5 * n))


def test_numbers_are_no_text(ground: Ground) -> None:
    """Small integers of four bytes look like wide letters, two at a time."""
    np = pytest.importorskip("numpy")
    pairs = np.frombuffer(VALUE, np.uint8).astype(np.uint32).reshape(-1, 2)
    shuffled = np.random.default_rng(1).permutation(pairs)
    ground.plant(4096, shuffled.tobytes())
    assert ground.found() == []
    ground.plant(4096, bytes(shuffled.nbytes))
