"""Certificates for a TLS proxy: a good one, and those that must be refused."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY = datetime.timedelta(days=1)


class Authority:
    """Signs certificates for 127.0.0.1 and writes them to a folder.

    Args:
        folder: where to.
        host: a name that its certificates are good for, besides.

    Attributes:
        ca_file: what a client has to trust.
    """

    def __init__(self, folder: Path, host: str = "bao.test") -> None:
        self._folder = folder
        self._names: tuple[x509.GeneralName, ...] = (
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
            x509.DNSName(host),
        )
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named("authority")
        now = _now()
        self._certificate = self._sign(
            self._name, self._key, (now - 30 * _DAY, now + 30 * _DAY), authority=True
        )
        self.ca_file = folder / "ca.pem"
        self.ca_file.write_bytes(_pem(self._certificate))
        self._contexts = {
            "good": self._context("good", (now - _DAY, now + 10 * _DAY)),
            "expired": self._context("expired", (now - 20 * _DAY, now - _DAY)),
            "wrong-name": self._context(
                "wrong-name",
                (now - _DAY, now + 10 * _DAY),
                (x509.DNSName("elsewhere.test"),),
            ),
        }

    def context(self, certificate: str) -> ssl.SSLContext:
        """For a server that presents "good", "expired" or "wrong-name"."""
        return self._contexts[certificate]

    def _context(
        self,
        name: str,
        valid: tuple[datetime.datetime, datetime.datetime],
        names: tuple[x509.GeneralName, ...] = (),
    ) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(_named(name), key, valid, names=names)
        path = self._folder / f"{name}.pem"
        path.write_bytes(
            _pem(certificate)
            + key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        valid: tuple[datetime.datetime, datetime.datetime],
        *,
        names: tuple[x509.GeneralName, ...] = (),
        authority: bool = False,
    ) -> x509.Certificate:
        usage = x509.BasicConstraints(ca=authority, path_length=None)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(valid[0])
            .not_valid_after(valid[1])
            .add_extension(
                x509.SubjectAlternativeName(names or self._names), critical=False
            )
            .add_extension(usage, critical=True)
            # What Python asks for from 3.13 on (ssl.VERIFY_X509_STRICT).
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
                critical=False,
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(
                    self._key.public_key()
                ),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
