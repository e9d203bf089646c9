"""Scrubbing leaves nothing in the registers and on the stack: looked at by hand.

The functions that look are made of a few instructions, as the one that clears is: an
ordinary function would overwrite what it is to find.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from mlsecrets.memory import SecretBuffer, _scrub, copy, scrub, why_not_scrubbed

if sys.platform != "linux" or platform.machine() != "x86_64":
    pytest.skip("looks with x86-64 instructions", allow_module_level=True)

from mlsecrets.memory._machine_code import DEPTH, _cpu_flags, _vectors, executable

AVX = "avx" in _cpu_flags()
WIDTH = 32 if AVX else 16  # bytes of a vector register
REGISTERS = 16
BELOW = 16 * 1024  # bytes of stack looked at
OWN_FRAMES = 2048  # of `scrub` itself while it runs: 0.8 KiB more on Python 3.10


def stub(code: bytes, *arguments: type) -> Callable[..., Any]:
    """A function of these instructions, called with the interpreter's lock held."""
    return ctypes.PYFUNCTYPE(None, *arguments)(executable(code))


def each_vector(opcode: int) -> bytes:
    """Move all vector registers to (0x11) or from (0x10) consecutive places at rdi."""
    code = b""
    for i in range(REGISTERS):
        high = i >= 8
        if AVX:  # vmovups ymm
            prefix = bytes([0xC5, 0x7C if high else 0xFC, opcode])
        else:  # movups xmm
            prefix = b"\x44" * high + bytes([0x0F, opcode])
        place = bytes([0x87 | (i & 7) << 3]) + (i * WIDTH).to_bytes(4, "little")
        code += prefix + place
    return code + b"\xc3"


def soiled_registers() -> Callable[[Any], None]:
    """Fills them from where its argument points."""
    return stub(each_vector(0x10), ctypes.c_void_p)


def seen_registers() -> Callable[[Any], None]:
    """Writes them to where its argument points."""
    return stub(each_vector(0x11), ctypes.c_void_p)


def soiled_stack() -> Callable[[int, int], None]:
    """Fills the stack below with a word, for as many bytes."""
    # mov rax, rdi; mov rcx, rsi; mov rdi, rsp; sub rdi, rcx; shr rcx, 3; rep stosq
    code = bytes.fromhex("4889f84889f14889e74829cf48c1e903f348abc3")
    return stub(code, ctypes.c_size_t, ctypes.c_size_t)


def seen_stack() -> Callable[[Any, int], None]:
    """Copies as many bytes of the stack below to where its argument points."""
    # mov rcx, rsi; mov rsi, rsp; sub rsi, rcx; rep movsb
    code = bytes.fromhex("4889f14889e64829cef3a4c3")
    return stub(code, ctypes.c_void_p, ctypes.c_size_t)


def test_it_is_available_here() -> None:
    """On x86-64 Linux there is no excuse, and the other way around."""
    assert scrub()
    assert why_not_scrubbed() is None


def test_no_vector_register_keeps_anything() -> None:
    """Each holds what was put in before, and zeros after."""
    soil, see = soiled_registers(), seen_registers()
    pattern = os.urandom(REGISTERS * WIDTH)
    found = ctypes.create_string_buffer(len(pattern))
    scrub()  # finds its thread's stack the first time
    soil(pattern)
    see(found)
    assert pieces(pattern, found.raw) >= REGISTERS // 2  # calls leave most alone
    soil(pattern)
    scrub()
    see(found)
    assert pieces(pattern, found.raw) == 0


def pieces(secret: bytes | memoryview, found: bytes) -> int:
    """How many aligned 16-byte pieces of the secret are there."""
    return sum(
        bytes(secret[i : i + 16]) in found for i in range(0, len(secret) - 15, 16)
    )


@pytest.mark.parametrize("length", [256, 356, 2000])
def test_copying_leaves_nothing_in_registers(
    length: int, fresh_secret: Callable[[int], SecretBuffer]
) -> None:
    """`memmove` does: the C library's goes through vector registers."""
    see = seen_registers()
    found = ctypes.create_string_buffer(REGISTERS * WIDTH)
    with fresh_secret(length) as source, SecretBuffer(length) as target:
        scrub()
        with source.reading() as old, target.writable() as new:
            new[:] = old
            see(found)
            left = pieces(old, found.raw)
        scrub()
        with source.reading() as old, target.writable() as new:
            copy(new, old)
            see(found)
            assert pieces(old, found.raw) == 0
        assert target.equals(source)
    if not left:
        pytest.skip("this C library's memmove uses no vector registers")


@pytest.mark.parametrize(
    "use",
    [
        pytest.param(lambda buffer: buffer.write(0, bytes(300)), id="write"),
        pytest.param(lambda buffer: buffer.text(), id="text"),
        pytest.param(lambda buffer: SecretBuffer.of("x" * 300), id="of"),
    ],
)
def test_using_a_buffer_ends_with_a_scrub(
    use: Callable[[SecretBuffer], object],
) -> None:
    """Also where nothing but a buffer's own methods is called."""
    soil, see = soiled_registers(), seen_registers()
    pattern = os.urandom(REGISTERS * WIDTH)
    found = ctypes.create_string_buffer(len(pattern))
    with SecretBuffer.of("y" * 300) as buffer:
        soil(pattern)
        made = use(buffer)
        see(found)
        assert pieces(pattern, found.raw) == 0
        del made


def test_the_stack_below_is_zeroed() -> None:
    """A word that fills it is everywhere before, and nowhere after.

    But for the place of the interpreter's own frames between caller and instructions.
    """
    soil, see = soiled_stack(), seen_stack()
    found = ctypes.create_string_buffer(BELOW)
    word = b"0123AbCd"
    scrub()
    soil(int.from_bytes(word, "little"), BELOW)
    see(found, BELOW)
    assert found.raw.count(word) > BELOW // 8 * 0.9
    soil(int.from_bytes(word, "little"), BELOW)
    scrub()
    see(found, BELOW)
    assert word not in found.raw[:-OWN_FRAMES]


def test_nothing_outside_of_this_threads_stack_is_zeroed() -> None:
    """Near the end of a stack it stops there; on another stack it does nothing."""
    clear, _ = _scrub._clear()
    soil, see = soiled_stack(), seen_stack()
    found = ctypes.create_string_buffer(BELOW)
    word = b"0123AbCd"
    here = ctypes.PYFUNCTYPE(ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p)(
        executable(bytes.fromhex("4889e0c3"))  # mov rax, rsp
    )(0, 0)
    for low, high, zeroed in (
        (here - 4096, here + 4096, 4096),  # ends 4096 bytes below
        (here - DEPTH, here + 4096, BELOW),
        (here - 8 * DEPTH, here + 4096, BELOW),
        (here + 64, here + 4096, 0),  # another stack, higher up
        (here - 8 * DEPTH, here - 4096, 0),  # another one, further down
        (0, 0, 0),  # not known
    ):
        soil(int.from_bytes(word, "little"), BELOW)
        clear(low, high)
        see(found, BELOW)
        kept = found.raw[: BELOW - zeroed]
        assert kept.count(word) >= len(kept) // 8 * 0.9
        assert word not in found.raw[BELOW - zeroed :] or not zeroed


@pytest.mark.parametrize("size", [0, 64 * 1024, 1024 * 1024])
def test_threads_with_small_stacks_survive(size: int) -> None:
    """However deep they are in it, nothing beyond its end is touched."""
    done = []

    def descend(levels: int) -> None:
        if levels:
            # A call from C, so that each level takes stack on every Python.
            list(map(descend, [levels - 1]))
        else:
            done.append(scrub())

    before = threading.stack_size(size)
    try:
        threads = [threading.Thread(target=descend, args=(n,)) for n in range(0, 60, 3)]
        for thread in threads:
            thread.start()
            thread.join()
    finally:
        threading.stack_size(before)
    assert done == [True] * 20


@pytest.mark.parametrize(
    ("flags", "instructions"),
    [
        ({"sse2"}, 16),
        ({"sse2", "avx"}, 1),
        ({"sse2", "avx", "avx512f"}, 17),
    ],
)
def test_each_processor_gets_what_it_knows(flags: set[str], instructions: int) -> None:
    """SSE, AVX (one instruction for all) and AVX-512 (sixteen registers more)."""
    code = _vectors(frozenset(flags))
    starts = (b"\x66\x0f\xef", b"\x66\x45\x0f\xef", b"\xc5\xfc\x77", b"\x62")
    assert sum(code.count(start) for start in starts) == instructions


def test_the_sse_instructions_clear_what_they_name() -> None:
    """They run on every processor, so they can be tried on this one, too."""
    clear = stub(_vectors(frozenset()) + b"\xc3")
    soil, see = soiled_registers(), seen_registers()
    found = ctypes.create_string_buffer(REGISTERS * WIDTH)
    pattern = os.urandom(REGISTERS * WIDTH)
    soil(pattern)
    clear()
    see(found)
    left = [
        i
        for i in range(0, len(pattern), WIDTH)
        if found.raw[i : i + 16] == pattern[i : i + 16]
    ]
    assert left == []


def test_elsewhere_it_says_that_nothing_is_cleared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Untested instructions are none: other processors keep their registers."""
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    _scrub._clear.cache_clear()
    try:
        assert not scrub()
        assert why_not_scrubbed() == (
            "registers and stack are not cleared: "
            "known for x86-64 Linux only, not for aarch64 linux"
        )
    finally:
        monkeypatch.undo()
        _scrub._clear.cache_clear()


def test_where_executable_memory_is_refused_it_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Copies are made all the same."""

    def refuse(*arguments: object) -> int:
        raise PermissionError(1, "operation not permitted")

    monkeypatch.setattr(os, "memfd_create", refuse)
    _scrub._clear.cache_clear()
    try:
        with SecretBuffer.of("secret") as buffer:
            assert buffer.text() == "secret"
        assert not scrub()
        reason = why_not_scrubbed()
        assert reason is not None
        assert reason.endswith("executable memory is refused: operation not permitted")
    finally:
        monkeypatch.undo()
        _scrub._clear.cache_clear()
