"""The broker's frames: a length, a JSON head, and the secret's bytes behind it.

The head never holds a secret. The secret goes from locked memory to the socket and from
the socket to locked memory, without becoming a Python object on either side.
"""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

from .. import errors
from ..errors import MLSecretsError, OwnerGone
from ..memory import SecretBuffer

_LENGTH = struct.Struct("!I")
#: A head is a few hundred bytes; a list of a hundred scopes stays far below this.
MAX_HEAD_BYTES = 1 << 20
#: The largest credential: a session token with a policy inside is about 4 KiB.
MAX_SECRET_BYTES = 1 << 16


def send(connection: socket.socket, head: dict[str, Any]) -> None:
    """Send a head."""
    connection.sendall(_frame(head))


def offer(connection: socket.socket, head: dict[str, Any]) -> None:
    """Send a head, if that takes no waiting.

    Raises:
        OSError: it would (BlockingIOError), or the other end is gone.
    """
    frame = _frame(head)
    # All or nothing: what is far shorter than the buffer is one piece to the kernel.
    if connection.send(frame, getattr(socket, "MSG_DONTWAIT", 0)) != len(frame):
        connection.close()
        raise OwnerGone("the connection broke off in the middle of a frame")


def receive(connection: socket.socket) -> dict[str, Any]:
    """Receive a head.

    Raises:
        OwnerGone: the other end closed, or does not speak this protocol.
    """
    (length,) = _LENGTH.unpack(_exactly(connection, _LENGTH.size))
    if length > MAX_HEAD_BYTES:
        raise OwnerGone(f"the broker's peer announces {length} bytes: not our protocol")
    try:
        head = json.loads(_exactly(connection, length))
    except ValueError:
        head = None
    if not isinstance(head, dict):
        raise OwnerGone("the broker's peer does not speak our protocol")
    return head


def error_head(error: MLSecretsError) -> dict[str, Any]:
    """A head that tells the other end of an error."""
    # One that is defined elsewhere goes as the kind of error that it is.
    known = (kind for kind in type(error).__mro__ if kind.__module__ == errors.__name__)
    return {
        "error": next(known).__name__,
        "message": error.message,
        "remedy": error.remedy,
        "numbers": error.numbers(),
    }


def error_of(head: dict[str, Any]) -> MLSecretsError:
    """The error that such a head tells of, to be raised here."""
    kind = getattr(errors, str(head["error"]), OwnerGone)
    if not (isinstance(kind, type) and issubclass(kind, MLSecretsError)):
        kind = OwnerGone
    numbers = head.get("numbers") or {}
    return errors.rebuild(kind, str(head.get("message")), head.get("remedy"), numbers)


def receive_secret(connection: socket.socket, slots: list[int]) -> SecretBuffer:
    """Receive a secret's fields, of these lengths, straight into locked memory."""
    if not 0 < sum(slots) <= MAX_SECRET_BYTES or min(slots) < 0:
        raise OwnerGone("the broker's peer announces a secret of no possible size")
    buffer = SecretBuffer.of(*(bytes(length) for length in slots))
    try:
        with buffer.writable() as view:
            _fill(connection, view)
    except BaseException:
        buffer.close()
        raise
    return buffer


def _frame(head: dict[str, Any]) -> bytes:
    text = json.dumps(head).encode()
    return _LENGTH.pack(len(text)) + text


def _exactly(connection: socket.socket, count: int) -> bytes:
    content = bytearray(count)
    _fill(connection, memoryview(content))
    return bytes(content)


def _fill(connection: socket.socket, view: memoryview) -> None:
    filled = 0
    while filled < len(view):
        got = connection.recv_into(view[filled:])
        if got == 0:
            raise OwnerGone("the process that owns the leases closed the connection")
        filled += got
