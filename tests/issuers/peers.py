"""Servers that do what no server should, and certificates for them."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mlsecrets.issuers._answer import Answer
from mlsecrets.memory import Sealed, SecretBuffer

#: An answer that is as it should be.
FINE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Peer:
    """A raw loopback server: what it does with each connection is up to the test.

    Args:
        behave: called with each connection, on a thread of its own.
        pem: certificate and key, if it speaks TLS.

    Attributes:
        connections: how many there were.
    """

    def __init__(
        self, behave: Callable[[socket.socket], None], pem: Path | None = None
    ) -> None:
        self._behave = behave
        self._context = None
        if pem is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(pem)
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.address = f"{'https' if pem else 'http'}://127.0.0.1:{self.port}"
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Peer:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        # A blocked accept is only woken by shutdown.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(
                target=self._serve, args=(connection,), daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        # The client hangs up when it has had enough, which is what is tested.
        with connection, suppress(OSError):
            if self._context is None:
                self._behave(connection)
            else:
                with self._context.wrap_socket(connection, server_side=True) as secure:
                    self._behave(secure)


def read_request(connection: socket.socket) -> bytes:
    """One request's head (our requests with a body fit into one read with it)."""
    received = b""
    while b"\r\n\r\n" not in received:
        more = connection.recv(65536)
        if not more:
            raise OSError("the client hung up")
        received += more
    return received


def saying(answer: bytes) -> Callable[[socket.socket], None]:
    """Answers every request with these bytes, then hangs up."""

    def behave(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(answer)

    return behave


def certificate(folder: Path, days: int, host: str = "127.0.0.1") -> Path:
    """A self-signed certificate and its key in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.timezone.utc)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=10))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"cert{days}-{host}.pem"
    path.write_bytes(
        built.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


def sealed(content: bytes) -> Sealed:
    """Bytes where an answer's body is."""
    return Sealed(SecretBuffer.of(content), 0, len(content))


def body_of(answer: Answer) -> bytes:
    """What an answer says."""
    with answer.body.reading() as view:
        return bytes(view)
