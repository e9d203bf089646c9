"""The forms in which a secret may lie in memory."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from .secrets import Secret


@dataclass(frozen=True)
class Form:
    """One secret, written in one way.

    Attributes:
        kind: of the secret.
        encoding: the name of the way.
        content: the bytes to look for.
        unit: bytes to a character.
    """

    kind: str
    encoding: str
    content: bytes
    unit: int = 1

    def __repr__(self) -> str:
        return f"<Form {self.kind} as {self.encoding}, {len(self.content)} bytes>"


def forms_of(secrets: Sequence[Secret]) -> list[Form]:
    """Each secret in each form, once."""
    found: dict[bytes, Form] = {}
    for secret in secrets:
        for form in _forms(secret):
            found.setdefault(form.content, form)
    return list(found.values())


def _forms(secret: Secret) -> Iterator[Form]:
    kind, value = secret.kind, secret.value
    text = value.decode("latin-1")
    yield Form(kind, "bytes", value)
    yield Form(kind, "UTF-16", text.encode("utf-16-le"), 2)
    yield Form(kind, "UCS-4", text.encode("utf-32-le"), 4)
    yield Form(kind, "hex", value.hex().encode())
    yield Form(kind, "hex", value.hex().upper().encode())
    yield Form(kind, "JSON", json.dumps(text)[1:-1].encode())
    yield Form(kind, "JSON", json.dumps(text)[1:-1].replace("/", "\\/").encode())
    quoted = quote(text, safe="").encode()
    yield Form(kind, "URL", quoted)
    yield Form(kind, "URL", _lower_escapes(quoted))
    for skipped in range(3):
        # Characters that depend on what stands beside it are left out.
        whole = (len(value) - skipped) // 3 * 3
        group = value[skipped : skipped + whole]
        yield Form(kind, "base64", base64.b64encode(group))
        yield Form(kind, "base64", base64.urlsafe_b64encode(group))


def _lower_escapes(quoted: bytes) -> bytes:
    parts = quoted.split(b"%")
    return b"%".join([parts[0], *(part[:2].lower() + part[2:] for part in parts[1:])])
