"""Requests in a second with a token written in late, beside a static one.

    python benchmarks/late.py [--rounds 60]

`requests` on kept connections each time, one small GET after another, to a server in a
process of its own, over plain HTTP and over TLS. The lease is of the real OpenBao,
lives ten seconds and is replaced while it is used.
"""

from __future__ import annotations

import argparse
import datetime
import ipaddress
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import requests
from _pairs import per_call, report, rounds
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mlsecrets import configure, lease
from mlsecrets.devstack import DevStack

REQUESTS = 20
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--serve", metavar="PEM", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve is not None:
        serve(arguments.serve)
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        DevStack(ttl=10) as stack,
        serving("") as plain,
        serving(str(certificate(Path(folder)))) as tls,
    ):
        servers = [f"http://127.0.0.1:{plain}", f"https://127.0.0.1:{tls}"]
        configure(for_servers(stack.manifest_path, servers))
        for address in servers:
            measure(address, str(Path(folder) / "server.pem"), arguments.rounds)


def measure(address: str, ca_file: str, count: int) -> None:
    """One server: a static token, the same revealed, and late."""
    with lease("mlflow") as creds, creds.http_session() as late:
        token = creds.snapshot().credentials.reveal("token")
        static, revealing = requests.Session(), requests.Session()
        static.headers["Authorization"] = f"Bearer {token}"
        revealing.auth = creds.auth()

        def speed(session: requests.Session) -> float:
            session.trust_env, session.verify = False, ca_file
            return 1 / per_call(lambda: session.get(address), REQUESTS)

        found = rounds(
            {
                "static token": lambda: speed(static),
                "leased, revealed": lambda: speed(revealing),
                "leased, late": lambda: speed(late),
            },
            count,
        )
        generation = creds.snapshot().terms.generation
        protection = creds.snapshot().credentials.protection.kind
    scheme = address.partition(":")[0]
    print(f"{scheme}: requests a second; {count} rounds of {REQUESTS}; ", end="")
    print(f"{generation} generations; memory: {protection}")
    report(found, against="static token", unit="1/s", scale=1)


def for_servers(manifest: Path, addresses: list[str]) -> Path:
    """The stack's manifest, its bearer for these servers."""
    lines = manifest.read_text().splitlines()
    for number, line in enumerate(lines):
        if line.startswith('access = ["use '):
            uses = ", ".join(f'"use {address}"' for address in addresses)
            lines[number] = f"access = [{uses}]"
    path = manifest.with_name("late.toml")
    path.write_text("\n".join(lines) + "\n")
    return path


@contextmanager
def serving(pem: str) -> Iterator[int]:
    """The port of a server in another process."""
    command = [sys.executable, __file__, "--serve", pem]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None  # noqa: S101  asked for above
            yield int(process.stdout.readline())
        finally:
            process.kill()


def serve(pem: str) -> None:
    """Answer everything with the same few bytes."""
    listener = socket.create_server(("127.0.0.1", 0))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if pem else None
    if context is not None:
        context.load_cert_chain(pem)
    print(listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            connection = context.wrap_socket(connection, server_side=True)
        threading.Thread(target=answer, args=(connection,), daemon=True).start()


def answer(connection: socket.socket) -> None:
    """One client; its requests have no body."""
    received = b""
    with connection, suppress(OSError):
        while more := connection.recv(65536):
            received += more
            if received.endswith(b"\r\n\r\n"):
                connection.sendall(ANSWER)
                received = b""


def certificate(folder: Path) -> Path:
    """A self-signed one for 127.0.0.1, with its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "benchmark")])
    now = datetime.datetime.now(datetime.timezone.utc)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        built.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path


if __name__ == "__main__":
    main()
