"""Composing a request's head with the true values in it.

Each head is composed anew: what was in one before a redirect, a retry or a replacement
of the credentials plays no part in the next.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

from .._placeholder import TAG, Placeholder, basic_pair, pieces
from .._reference import Reference
from ..access import Access
from ..errors import LeaseError, NotLeased
from ..exposure import How
from ..grant import Grant
from ..memory import Draft, Sealed
from ..view import ScopeView
from ._drafts import Drafts

#: A field that is two: user name and password, as RFC 7617 §2 has them.
BASIC = "basic"
#: What a header field's value may be made of (RFC 9110 §5.5), tabs left out.
_LEGAL = re.compile(rb"[\x20-\x7e\x80-\xff]*")


class Injection:
    """What may be written into one request, and what was.

    Args:
        reader: which library sends it; shown in the lease's exposure.
        lease: where that scope is read; others are read where the process reads them.
        drafts: where its head is composed.

    Attributes:
        used: each lease that was used, and its generation.
    """

    def __init__(self, reader: str, lease: Reference | None, drafts: Drafts) -> None:
        self._reader = reader
        self._lease = lease
        self.drafts = drafts
        self._known: dict[str, tuple[Reference, ScopeView]] = {}
        self.used: dict[Reference, int] = {}

    def check(self, values: Iterable[Placeholder], url: str) -> None:
        """Refuse what may not be sent there.

        Raises:
            NotLeased: a scope's access does not name the place.
        """
        for scope in {value.scope for value in values}:
            _, view = self._lease_of(scope)
            check_place(view, url)

    def write(self, head: bytes, url: str, draft: Draft) -> None:
        """Compose the head of a request with the true values.

        Raises:
            LeaseError: a placeholder where no value can be put, or a value that is
                none of a header.
            NotLeased: as for `check`, or there is no such field.
        """
        line, *fields = head.split(b"\r\n")
        if TAG in line:
            raise misplaced("URL")
        message = _Message(self, url, draft)
        message.add(line)
        for field in fields:
            if TAG not in field and b"Basic " not in field:
                message.add(b"\r\n" + field)
                continue
            name, colon, value = field.partition(b":")
            if TAG in name:
                raise misplaced("name of a header")
            message.add(b"\r\n" + name + colon)
            if pair := basic_pair(value):
                message.add(b" Basic ")
                message.add_encoded(pieces(pair))
            else:
                for piece in pieces(value):
                    message.add(piece)
        message.flush()
        self.used = message.generations()

    def note(self, grant: Grant, field: str) -> None:
        """Remember that a field was used."""
        grant.credentials.exposures.note(self._reader, field, How.LATE)

    def read(self, scope: str, url: str) -> tuple[Reference, Grant]:
        """The newest generation of a lease, for scheme, host and port."""
        reference, view = self._lease_of(scope)
        if not _covers(view.access, url):
            check_place(view, url)
        return reference, reference.source().snapshot()

    def replace_refused(self) -> None:
        """Have what was sent replaced: the server did not accept it."""
        for reference, generation in self.used.items():
            reference.source().invalidate(generation)

    def _lease_of(self, scope: str) -> tuple[Reference, ScopeView]:
        if scope not in self._known:
            reference = self._lease or Reference(scope)
            if reference.scope != scope:
                reference = Reference(scope)
            self._known[scope] = (reference, reference.view())
        return self._known[scope]


class _Message:
    """One head: all of its values are of one generation of their lease."""

    def __init__(self, injection: Injection, url: str, draft: Draft) -> None:
        self._injection = injection
        self._url = url
        self._draft = draft
        self._public = bytearray()  # goes to the draft in few pieces
        self._leases: dict[str, tuple[Reference, Grant]] = {}

    def generations(self) -> dict[Reference, int]:
        """What was used."""
        return {lease: grant.terms.generation for lease, grant in self._leases.values()}

    def flush(self) -> None:
        """Put what is public into the draft."""
        self._draft.add(bytes(self._public))
        self._public.clear()

    def add(self, piece: bytes | Placeholder) -> None:
        """Append a piece of a header."""
        if isinstance(piece, bytes):
            self._public += piece
        elif piece.field == BASIC:
            user = self._grant(piece).credentials.public.get("username", "")
            password = Placeholder(piece.scope, "password")
            self.add_encoded([user.encode(), b":", password])
        else:
            value = self._sealed(piece)
            _check_legal(value, piece)
            self.flush()
            self._draft.add_secret(value)

    def add_encoded(self, parts: Iterable[bytes | Placeholder]) -> None:
        """Append the base64 of pieces, which may so hold anything."""
        sealed = [p if isinstance(p, bytes) else self._sealed(p) for p in parts]
        self.flush()
        self._draft.add_base64(*sealed)

    def _sealed(self, piece: Placeholder) -> Sealed:
        grant = self._grant(piece)
        if piece.field not in grant.credentials.FIELDS:
            raise NotLeased(
                f"{piece.scope} has no {piece.field!r}; it has "
                f"{', '.join(grant.credentials.FIELDS)}",
                remedy="take the text from the lease's placeholder()",
            )
        self._injection.note(grant, piece.field)
        return grant.credentials.sealed(piece.field)

    def _grant(self, piece: Placeholder) -> Grant:
        if piece.scope not in self._leases:
            self._leases[piece.scope] = self._injection.read(piece.scope, self._url)
        return self._leases[piece.scope][1]


def check_place(view: ScopeView, url: str) -> None:
    """Refuse to send a credential where its scope does not allow it.

    Raises:
        NotLeased: the scope's access does not name the URL's origin.
    """
    if view.covers_origin(url):
        return
    allowed = ", ".join(str(access) for access in view.access) or "nothing"
    origin = "/".join(url.split("/")[:3])
    raise NotLeased(
        f"{view.name} may not be sent to {origin}; its access: {allowed}",
        remedy="correct the address, or have the scope's owner add "
        f'"use {origin}" to its access',
    )


@functools.lru_cache(maxsize=256)
def _covers(access: tuple[Access, ...], place: str) -> bool:
    """Whether it names a place; asked anew for each request, of few places."""
    return any(right.covers_origin(place) for right in access)


def misplaced(where: str) -> LeaseError:
    """The error for a placeholder that nothing can be put in place of."""
    return LeaseError(
        f"a lease's placeholder is in the {where}, expected in a header",
        remedy="send the credential in a header; a body and a URL are sent as they are",
    )


def _check_legal(value: Sealed, piece: Placeholder) -> None:
    with value.reading() as view:
        # The match holds the view, and so is not kept.
        legal = _LEGAL.fullmatch(view) is not None
    if not legal:
        raise LeaseError(
            f"the {piece.field} of {piece.scope} has a line break or another control "
            "character in it, which no header can carry",
            remedy="have the value corrected where it is stored",
        )
