"""A forked child holds no secret and cannot be hung by one."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from mlsecrets.errors import SecretBufferClosed
from mlsecrets.memory import SecretBuffer

if TYPE_CHECKING:
    from collections.abc import Callable

    InChild = Callable[[Callable[[], None]], int]

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here"),
    # Forking with threads is what DataLoader does to us: here it is the subject.
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning"),
]


def test_every_way_in_is_refused_in_the_child(in_child: InChild) -> None:
    """Reading, writing and revealing raise, and the buffer calls itself closed."""
    with SecretBuffer.of("secret") as buffer:

        def child() -> None:
            assert buffer.closed
            assert "closed" in repr(buffer)
            with pytest.raises(SecretBufferClosed, match="forked") as caught:
                buffer.text()
            assert caught.value.remedy is not None
            with pytest.raises(SecretBufferClosed), buffer.reading():
                pass
            with pytest.raises(SecretBufferClosed):
                buffer.write(0, b"x")

        assert in_child(child) == 0
        assert buffer.text() == "secret"


@pytest.mark.skipif(sys.platform != "linux", reason="MADV_WIPEONFORK is Linux's")
def test_a_view_open_at_the_fork_shows_zeros(in_child: InChild) -> None:
    """Even a reader that was inside when it forked finds nothing."""
    with SecretBuffer.of("secret") as buffer, buffer.reading() as view:
        if not buffer.protection.wiped_on_fork:
            pytest.skip(f"not granted here: {buffer.protection.reasons}")

        def child() -> None:
            assert bytes(view) == bytes(6)

        assert in_child(child) == 0
        assert bytes(view) == b"secret"


def test_a_child_forked_inside_a_block_leaves_it_quietly(in_child: InChild) -> None:
    """The child may leave the block and close; the parent notices nothing."""
    with SecretBuffer.of("secret") as buffer:
        reading = buffer.reading()
        reading.__enter__()

        def child() -> None:
            reading.__exit__(None, None, None)
            buffer.close()
            buffer.close()

        assert in_child(child) == 0
        reading.__exit__(None, None, None)
        assert buffer.text() == "secret"


@pytest.mark.timeout(30)
def test_a_lock_held_at_the_fork_does_not_hang_the_child(in_child: InChild) -> None:
    """A thread of the parent may be inside the buffer's lock at that moment."""
    with SecretBuffer.of("secret") as buffer:
        held, done = threading.Event(), threading.Event()

        def hold() -> None:
            with buffer._content.lock:  # as a reader holds it
                held.set()
                done.wait()

        holder = threading.Thread(target=hold)
        holder.start()
        held.wait()

        def child() -> None:
            with pytest.raises(SecretBufferClosed):
                buffer.text()
            buffer.close()

        status = in_child(child)
        done.set()
        holder.join()
        assert status == 0


def test_a_child_that_drops_or_outlives_a_buffer_ends_cleanly(
    in_child: InChild,
) -> None:
    """Finalisers in the child leave the parent's bytes alone."""
    held = [SecretBuffer.of("secret")]

    def child() -> None:
        held.clear()

    assert in_child(child) == 0
    with held[0] as buffer:
        assert buffer.text() == "secret"


def test_a_buffer_made_in_the_child_works_there(in_child: InChild) -> None:
    """A child that leases for itself has buffers of its own."""

    def child() -> None:
        with SecretBuffer.of("its own") as buffer:
            assert buffer.text() == "its own"

    assert in_child(child) == 0
