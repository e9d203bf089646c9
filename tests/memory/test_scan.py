"""A scan finds the copies that are there, and none that are not."""

from __future__ import annotations

import base64
import mmap
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from mlsecrets.errors import SecretBufferClosed
from mlsecrets.memory import SecretBuffer, count_copies
from mlsecrets.memory._maps import Region, parse_region, without
from mlsecrets.memory._needles import needles_of
from mlsecrets.memory._scan import STEP, Scan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    FreshSecret = Callable[[int], SecretBuffer]

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")
pytestmark = linux


@pytest.fixture
def planted() -> Iterator[mmap.mmap]:
    """Four mebibytes of ordinary private memory to plant copies in."""
    with mmap.mmap(-1, 4 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as pages:
        yield pages


def copy_into(pages: mmap.mmap, offset: int, secret: SecretBuffer) -> None:
    """Plant a copy without making another on the way."""
    with secret.reading() as view, memoryview(pages) as target:
        target[offset : offset + len(view)] = view


def test_a_secret_born_in_the_buffer_has_no_copies(fresh_secret: FreshSecret) -> None:
    """The buffer itself, the needles and the scratch are not counted."""
    with fresh_secret(40) as short, fresh_secret(356) as long:
        report = count_copies([short, long])
        assert (report.copies, report.skipped, report.unsearched_slots) == (0, None, 0)
        assert report.scanned_bytes > 1 << 20
        assert report.seconds > 0


def test_a_revealed_string_is_found(fresh_secret: FreshSecret) -> None:
    """The positive control: a `str` of the secret is one copy more."""
    with fresh_secret(356) as secret:
        revealed = secret.text()
        assert count_copies([secret]).copies == 1
        assert len(revealed) == 356


def test_a_copy_wiped_is_a_copy_gone(fresh_secret: FreshSecret) -> None:
    """Zeroing the bytearray that holds the copy takes the count back to zero."""
    with fresh_secret(356) as secret:
        copy = bytearray(356)
        with secret.reading() as view:
            copy[:] = view
        assert count_copies([secret]).copies == 1
        copy[:] = bytes(356)
        assert count_copies([secret]).copies == 0


@pytest.mark.parametrize("skip", [0, 1, 2])
def test_base64_is_found_at_every_alignment(
    fresh_secret: FreshSecret, skip: int
) -> None:
    """A basic-auth header shifts the secret by what stands before it."""
    with fresh_secret(40) as secret:
        raw = bytearray(b"u:xyz"[: 3 + skip]) + bytearray(40) + bytearray(b"tail")
        with secret.reading() as view:
            raw[3 + skip : 43 + skip] = view
        header = base64.b64encode(raw)
        raw[:] = bytes(len(raw))
        assert count_copies([secret]).copies >= 1
        del header


def test_hex_is_found(fresh_secret: FreshSecret) -> None:
    """Hex digits of a secret are the secret."""
    with fresh_secret(40) as secret, secret.reading() as view:
        digits = view.hex()
        assert count_copies([secret]).copies >= 1
        assert len(digits) == 80


@pytest.mark.parametrize("before", [0, 1, 51, 355, 356, 357])
def test_a_copy_across_two_steps_counts_once(
    fresh_secret: FreshSecret, planted: mmap.mmap, before: int
) -> None:
    """Wherever the boundary between two reads falls, one copy is one copy."""
    with fresh_secret(356) as secret, ExitStack() as stack:
        needles, _ = needles_of([secret], stack)
        scan = stack.enter_context(Scan(needles))
        start = address_of(planted)
        copy_into(planted, STEP - before, secret)
        assert list(scan.hits(start, start + 2 * STEP)) == [start + STEP - before]


def test_every_copy_counts(fresh_secret: FreshSecret, planted: mmap.mmap) -> None:
    """Copies are counted, not merely noticed, side by side or apart."""
    with fresh_secret(40) as secret:
        for offset in (0, 40, 5000, 1 << 20, (4 << 20) - 40):
            copy_into(planted, offset, secret)
        assert count_copies([secret]).copies == 5


def test_another_lease_of_the_same_secret_is_not_a_copy(
    fresh_secret: FreshSecret,
) -> None:
    """Secret buffers are where secrets belong, also those not asked about."""
    with fresh_secret(40) as secret, SecretBuffer(40) as other:
        with secret.reading() as view:
            other.write(0, view)
        assert count_copies([secret]).copies == 0
        assert count_copies([secret, other]).copies == 0


def test_the_same_value_in_two_slots_is_counted_once(
    fresh_secret: FreshSecret, planted: mmap.mmap
) -> None:
    """One place in memory is one copy, however many slots it equals."""
    with fresh_secret(40) as secret, SecretBuffer(40) as other:
        with secret.reading() as view:
            other.write(0, view)
        copy_into(planted, 0, secret)
        assert count_copies([secret, other]).copies == 1


def test_short_and_uniform_slots_are_left_out_and_reported(
    fresh_secret: FreshSecret,
) -> None:
    """What turns up by chance is not looked for, and the report says so."""
    with SecretBuffer.of("x" * 15, "y" * 200) as chance, fresh_secret(16) as fine:
        nothing = count_copies([chance])
        assert nothing.unsearched_slots == 2
        assert nothing.skipped == "no slot is long and varied enough to look for"
        both = count_copies([chance, fine])
        assert (both.unsearched_slots, both.skipped) == (2, None)


def test_a_closed_buffer_cannot_be_looked_for() -> None:
    """There is nothing left to compare with."""
    buffer = SecretBuffer(40)
    buffer.close()
    with pytest.raises(SecretBufferClosed):
        count_copies([buffer])


def test_memory_that_may_not_be_read_is_reported(
    fresh_secret: FreshSecret, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is no /proc, the report says that it means nothing."""
    monkeypatch.setattr(sys, "platform", "darwin")
    with fresh_secret(40) as secret:
        assert count_copies([secret]).skipped == (
            "cannot read this process's memory: no /proc on darwin"
        )


def test_memory_only_reserved_is_not_walked(fresh_secret: FreshSecret) -> None:
    """Sixteen gibibytes that nobody touched cost nothing and stay untouched."""
    reserve = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000  # MAP_NORESERVE
    with mmap.mmap(-1, 16 << 30, flags=reserve), fresh_secret(40) as secret:
        assert count_copies([secret]).scanned_bytes < 8 << 30


@pytest.mark.parametrize(
    ("line", "region"),
    [
        ("1000-3000 rw-p 0 00:00 0 [heap]", Region(0x1000, 0x3000, "heap")),
        ("1000-3000 rw-p 0 00:00 0", Region(0x1000, 0x3000, "anon")),
        ("1000-3000 rw-p 0 00:00 0 [anon:glibc: x]", Region(0x1000, 0x3000, "anon")),
        ("1000-3000 rwxp 0 00:00 0 [stack]", Region(0x1000, 0x3000, "stack")),
        ("1000-3000 rw-p 0 08:01 7 /lib/a b.so", Region(0x1000, 0x3000, "file")),
        ("1000-3000 rw-s 0 00:00 0 /memfd:x", None),
        ("1000-3000 r--p 0 08:01 7 /lib/a.so", None),
        ("1000-3000 rw-p 0 00:05 7 /dev/nvidia0", None),
        ("1000-3000 rw-p 0 00:00 0 [vvar]", None),
    ],
)
def test_only_private_writable_memory_is_read(line: str, region: Region | None) -> None:
    """Shared, read-only and device mappings are left alone."""
    assert parse_region(line + "\n") == region


def test_holes_are_cut_out_of_regions() -> None:
    """Buffers share kernel regions with neighbours, so intervals are subtracted."""
    region = Region(10, 50, "anon")
    holes = [(0, 5), (8, 12), (20, 30), (30, 31), (45, 60), (70, 80)]
    kept = [(part.start, part.end) for part in without(region, holes)]
    assert kept == [(12, 20), (31, 45)]
    assert list(without(region, [(0, 100)])) == []
    assert list(without(region, [])) == [region]


def address_of(pages: mmap.mmap) -> int:
    """Where a mapping lies."""
    import ctypes

    return ctypes.addressof(ctypes.c_char.from_buffer(pages))
