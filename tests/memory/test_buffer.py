"""What goes into a secret buffer comes out, and only while it is open."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsecrets.errors import SecretBufferClosed
from mlsecrets.memory import SecretBuffer, Slot

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
BYTES = st.binary(max_size=60)
VALUES = TEXT | BYTES | BYTES.map(bytearray) | BYTES.map(lambda raw: memoryview(raw)[:])


@given(st.lists(VALUES))
def test_values_lie_end_to_end(
    values: list[str | bytes | bytearray | memoryview],
) -> None:
    """The buffer is the values joined, and each slot is one value."""
    raw = [v.encode() if isinstance(v, str) else bytes(v) for v in values]
    with SecretBuffer.of(*values) as buffer, buffer.reading() as view:
        assert bytes(view) == b"".join(raw)
        assert buffer.size == len(view)
        slots = [bytes(view[start : start + size]) for start, size in buffer.slots]
        assert slots == raw


@given(TEXT, TEXT)
def test_text_reveals_exactly_the_slot(first: str, second: str) -> None:
    """Any text comes back as it went in, whatever lies beside it."""
    with SecretBuffer.of(first, second) as buffer:
        assert [buffer.text(*slot) for slot in buffer.slots] == [first, second]
        assert buffer.text() == first + second


def test_text_from_an_offset_reads_to_the_end() -> None:
    """Without a length, everything after the offset is meant."""
    with SecretBuffer.of("Bearer ", "token") as buffer:
        assert buffer.text(7) == "token"


@pytest.mark.parametrize(("offset", "length"), [(-1, 2), (0, 6), (6, None), (2, -1)])
def test_slots_outside_the_buffer_are_refused(offset: int, length: int | None) -> None:
    """A wrong slot is an error, never a shorter or another secret."""
    with SecretBuffer.of("12345") as buffer, pytest.raises(ValueError, match="5 bytes"):
        buffer.text(offset, length)


def test_writing_past_the_end_is_refused() -> None:
    """A value too long is an error, and nothing of it is written."""
    with SecretBuffer(4) as buffer:
        with pytest.raises(ValueError, match="within 4 bytes"):
            buffer.write(2, b"abc")
        assert buffer.text() == "\0\0\0\0"
        buffer.write(2, bytearray(b"ab"))
        assert buffer.text() == "\0\0ab"


def test_a_new_buffer_is_one_slot_of_zeros() -> None:
    """Without values, the whole buffer is the slot."""
    with SecretBuffer(3) as buffer:
        assert buffer.slots == (Slot(0, 3),)
        assert buffer.text() == "\0\0\0"


def test_a_negative_size_is_refused() -> None:
    """A size below zero is a mistake in the caller."""
    with pytest.raises(ValueError, match="got -1"):
        SecretBuffer(-1)


def test_readers_cannot_write() -> None:
    """A reader's view is read-only."""
    with (
        SecretBuffer(3) as buffer,
        buffer.reading() as view,
        pytest.raises(TypeError, match="read-only"),
    ):
        view[0] = 1


@given(BYTES, BYTES)
def test_equal_means_equal_bytes(left: bytes, right: bytes) -> None:
    """Comparison looks at every byte of both."""
    with SecretBuffer.of(left) as one, SecretBuffer.of(right) as other:
        assert one.equals(other) is (left == right)
        assert one.equals(one)


def test_closing_refuses_every_way_in() -> None:
    """After close there is no reading, writing, revealing or comparing."""
    buffer, other = SecretBuffer.of("secret"), SecretBuffer(6)
    buffer.close()
    assert buffer.closed
    with pytest.raises(SecretBufferClosed), buffer.reading():
        pass
    with pytest.raises(SecretBufferClosed), buffer.writable():
        pass
    with pytest.raises(SecretBufferClosed):
        buffer.text()
    with pytest.raises(SecretBufferClosed):
        buffer.write(0, b"x")
    with pytest.raises(SecretBufferClosed):
        other.equals(buffer)
    other.close()


def test_closing_twice_is_closing_once() -> None:
    """Closing is idempotent, also while a reader is inside."""
    buffer = SecretBuffer.of("secret")
    with buffer.reading():
        buffer.close()
        buffer.close()
    buffer.close()
    assert buffer.closed


def test_the_last_reader_out_wipes() -> None:
    """Readers inside keep the bytes whole; new ones are refused; then all is zero."""
    buffer = SecretBuffer.of("secret")
    with buffer.reading() as first:
        kept = first[:]
        with buffer.reading() as second:
            buffer.close()
            assert bytes(second) == b"secret"
            with pytest.raises(SecretBufferClosed):
                buffer.text()
        assert bytes(first) == b"secret"
    assert bytes(kept) == bytes(6)


def test_a_view_kept_beyond_its_block_is_closed() -> None:
    """The view itself is released with the block."""
    with SecretBuffer.of("secret") as buffer:
        with buffer.reading() as view:
            pass
        with pytest.raises(ValueError, match="released"):
            view[0]


def test_an_array_laid_over_a_view_does_not_stop_the_wipe() -> None:
    """Somebody who exports the view further is left with zeros, not with the secret."""
    numpy = pytest.importorskip("numpy")
    buffer = SecretBuffer.of("secret")
    with buffer.reading() as view:
        array = numpy.frombuffer(view, dtype="u1")
    buffer.close()
    assert not array.any()


def test_a_reader_counts_once_per_block() -> None:
    """The same reading cannot be entered twice: its first view would be lost."""
    with SecretBuffer(1) as buffer:
        reading = buffer.reading()
        with reading, pytest.raises(RuntimeError, match="already open"), reading:
            pass


def test_an_exception_in_the_block_lets_the_reader_leave() -> None:
    """A reader that fails is still counted out."""
    buffer = SecretBuffer.of("secret")
    with buffer.reading() as view:
        kept = view[:]
    with pytest.raises(KeyError), buffer.reading():
        raise KeyError
    buffer.close()
    assert bytes(kept) == bytes(6)


def test_a_forgotten_buffer_is_wiped() -> None:
    """Dropping the last reference wipes as close does."""
    buffer = SecretBuffer.of("secret")
    with buffer.reading() as view:
        kept = view[:]
    del buffer
    gc.collect()
    assert bytes(kept) == bytes(6)


def test_a_reader_keeps_a_forgotten_buffer_alive() -> None:
    """Dropping the buffer inside a reading block does not wipe under the reader."""
    reading = SecretBuffer.of("secret").reading()
    with reading as view:
        gc.collect()
        assert bytes(view) == b"secret"


def test_buffers_alive_at_exit_are_wiped_quietly() -> None:
    """The interpreter ends with status 0 and says nothing, readers inside or not."""
    code = (
        "from mlsecrets.memory import SecretBuffer\n"
        "a, b = SecretBuffer.of('secret'), SecretBuffer.of('secret')\n"
        "view = a.reading().__enter__()\n"
    )
    done = subprocess.run(  # our own interpreter and code
        [sys.executable, "-X", "dev", "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_bytes_that_are_not_text_are_not_quoted_in_the_error() -> None:
    """The decoding error carries the secret; it must not travel with ours."""
    with SecretBuffer.of(b"s3cret\xff") as buffer:
        with pytest.raises(ValueError, match="not UTF-8") as caught:
            buffer.text()
        assert caught.value.__context__ is None
        assert "s3cret" not in "".join(traceback.format_exception(caught.value))


def test_text_that_cannot_be_encoded_is_not_quoted_in_the_error() -> None:
    """A lone surrogate is refused without the text around it."""
    with pytest.raises(ValueError, match="lone surrogate") as caught:
        SecretBuffer.of("s3cret\ud800")
    assert caught.value.__context__ is None
    assert "s3cret" not in str(caught.value)


def test_threads_read_whole_secrets_until_the_end() -> None:
    """Many readers and one close: each read is the whole secret or is refused."""
    buffer = SecretBuffer.of("x" * 300)
    started = threading.Barrier(5)
    seen: list[str] = []

    def read() -> None:
        started.wait()
        while True:
            try:
                seen.append(buffer.text())
            except SecretBufferClosed:
                return

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    started.wait()
    with buffer.reading() as view:
        kept = view[:]
    while len(seen) < 1000:
        pass
    buffer.close()
    for reader in readers:
        reader.join()
    assert set(seen) == {"x" * 300}
    assert bytes(kept) == bytes(300)
