"""The three shapes of credential, each held whole in locked memory.

A credential is made once, from the issuer's answer, and never changes: what rotates is
the grant that holds it. Nothing here prints, pickles or compares a secret; the one way
to a Python string is a method called ``reveal_*``, which is easy to search for.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from contextlib import ExitStack
from typing import ClassVar

from .exposure import Exposures, How
from .memory import Opaque, Protection, Sealed, SecretBuffer


class Credentials(Opaque):
    """Secret fields laid end to end in one locked buffer.

    Args:
        buffer: its slots are the fields, in the order of `FIELDS`.
        public: what may be shown of them (an access key id, a user name).

    Attributes:
        exposures: who was given what of them; the lease that holds them puts its own.
        scope: whose they are; the grant that holds them says so.
    """

    WHAT = "a credential"
    INSTEAD = "send the lease or its reference, and read it there each time"
    KIND: ClassVar[str]
    FIELDS: ClassVar[tuple[str, ...]]

    __slots__ = (
        "__weakref__",
        "_buffer",
        "_derived",
        "_shown",
        "_slots",
        "exposures",
        "public",
        "scope",
    )

    def __init__(
        self, buffer: SecretBuffer, public: Mapping[str, str] | None = None
    ) -> None:
        self._buffer = buffer
        self._slots = dict(zip(self.FIELDS, buffer.slots, strict=True))
        self._shown: set[tuple[str, str]] = set()
        self._derived: list[SecretBuffer] = []
        self.exposures = Exposures()
        self.public = dict(public or {})
        self.scope: str | None = None
        _LIVE[id(self)] = self

    @property
    def buffer(self) -> SecretBuffer:
        """The locked memory: for readers that sign or send without a string."""
        return self._buffer

    @property
    def protection(self) -> Protection:
        """What the operating system granted for the memory that holds them."""
        return self._buffer.protection

    def slot(self, field: str) -> tuple[int, int]:
        """Where a field lies in `buffer`: offset and length in bytes."""
        return self._slots[field]

    def sealed(self, field: str) -> Sealed:
        """One field where it lies: for readers that sign or send without a string."""
        return Sealed(self._buffer, *self._slots[field])

    def reveal(self, field: str, reader: str = "python") -> str:
        """One field as a Python string, which can be neither locked nor wiped.

        Args:
            field: one of `FIELDS`.
            reader: which library insists on it; shown in the lease's exposure.

        Raises:
            SecretBufferClosed: the credentials have been shredded.
        """
        offset, length = self._slots[field]
        if (reader, field) not in self._shown:
            self._show(reader, field)
        return self._buffer.text(offset, length)

    def _show(self, reader: str, field: str) -> None:
        if all(field != shown for _, shown in self._shown):
            self.exposures.revealed(self.sealed(field))
        self.exposures.note(reader, field, How.REVEALED)
        self._shown.add((reader, field))

    def wipe_along(self, derived: SecretBuffer) -> None:
        """Wipe this, too, when they are wiped: it was made from what they hold."""
        self._derived.append(derived)
        if self.closed:
            derived.close()

    def close(self) -> None:
        """Wipe them, at once or when the last reader leaves."""
        self._buffer.close()
        for derived in self._derived:
            derived.close()

    @property
    def closed(self) -> bool:
        """Whether they have been wiped or are about to be."""
        return self._buffer.closed

    def __repr__(self) -> str:
        shown = "".join(f" {name}={value}" for name, value in self.public.items())
        return f"<{type(self).__name__}{shown}{' closed' if self.closed else ''}>"


#: By identity, because credentials have no other; gone with them.
_LIVE: weakref.WeakValueDictionary[int, Credentials] = weakref.WeakValueDictionary()


def live_credentials() -> list[Credentials]:
    """All of this process that have not been wiped, leased here or attached to."""
    found = [ref() for ref in _LIVE.valuerefs()]
    return [held for held in found if held is not None and not held.closed]


class AWSCredentials(Credentials):
    """An access key id, its secret key and a session token (S3-compatible stores)."""

    KIND = "aws"
    FIELDS = ("secret_access_key", "session_token")
    __slots__ = ()

    @classmethod
    def of(
        cls,
        access_key_id: str,
        secret_access_key: str | Sealed,
        session_token: str | Sealed,
    ) -> AWSCredentials:
        """Lay the values down; the key id is public (it is in every signature)."""
        buffer = _laid_down(secret_access_key, session_token)
        return cls(buffer, {"access_key_id": access_key_id})

    @property
    def access_key_id(self) -> str:
        """The public half: names the credentials in requests and logs."""
        return self.public["access_key_id"]


class BearerToken(Credentials):
    """One token, sent as ``Authorization: Bearer`` (RFC 6750)."""

    KIND = "bearer"
    FIELDS = ("token",)
    __slots__ = ()

    @classmethod
    def of(cls, token: str | Sealed) -> BearerToken:
        """Lay the token down."""
        return cls(_laid_down(token))


class UsernamePassword(Credentials):
    """A user name and its password, such as a database role made for one job."""

    KIND = "username-password"
    FIELDS = ("password",)
    __slots__ = ()

    @classmethod
    def of(cls, username: str, password: str | Sealed) -> UsernamePassword:
        """Lay the password down; the user name is public."""
        return cls(_laid_down(password), {"username": username})

    @property
    def username(self) -> str:
        """The public half."""
        return self.public["username"]


def _laid_down(*values: str | Sealed) -> SecretBuffer:
    """A buffer of copies: from locked memory to locked memory where they are sealed."""
    with ExitStack() as stack:
        return SecretBuffer.of(
            *(
                value
                if isinstance(value, str)
                else stack.enter_context(value.reading())
                for value in values
            )
        )


KINDS: dict[str, type[Credentials]] = {
    kind.KIND: kind for kind in (AWSCredentials, BearerToken, UsernamePassword)
}


def rebuild(kind: str, buffer: SecretBuffer, public: Mapping[str, str]) -> Credentials:
    """Credentials from a buffer that another process filled.

    Args:
        kind: a key of `KINDS`.
        buffer: its slots are the kind's `FIELDS`, in order.
        public: what may be shown.
    """
    return KINDS[kind](buffer, public)
