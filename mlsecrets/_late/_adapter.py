"""What `requests` sends with: its own adapter, on connections that send late."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import requests
from requests.adapters import HTTPAdapter

from .._forks import forgets
from .._placeholder import TAG, Placeholder, in_header, pieces
from .._reference import Reference
from ..errors import LeaseError
from ._again import give_back, rewound
from ._connection import SENDING, Refused, late_pools
from ._drafts import Drafts
from ._message import Injection, misplaced

# What a forked child inherited. Were it collected there, that would take its locks,
# which may be held for ever.
_parents: list[object] = []


class LateAdapter(HTTPAdapter):
    """Sends what `requests` gives it, with true values for placeholders in its headers.

    A 401 is answered once, with credentials made after the refused ones, unless the
    body cannot be sent again.

    Attributes:
        reader: which library it belongs to; shown in the lease's exposure.
        lease: where that scope is read; others are read where the process reads them.
    """

    __attrs__ = [*HTTPAdapter.__attrs__, "lease", "reader"]  # noqa: RUF012  as theirs
    reader: str = "requests"
    lease: Reference | None = None

    @classmethod
    def like(cls, adapter: HTTPAdapter, reader: str) -> LateAdapter:
        """An adapter that does all that another does, and sends late."""
        kind = type(adapter)
        late: Any = type(f"Late{kind.__name__}", (cls, kind), {})
        made = late.__new__(late)
        own = {"poolmanager", "proxy_manager"}  # made when its state is set
        state = {name: v for name, v in vars(adapter).items() if name not in own}
        made.__setstate__({**state, "reader": reader})
        return cast("LateAdapter", made)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Make the pools of connections (called by `requests`)."""
        super().init_poolmanager(*args, **options)
        _make_late(self.poolmanager)
        self._drafts = Drafts()
        forgets(self)

    def forget(self) -> None:
        """In a forked child: connect anew, for the connections are the parent's."""
        _parents.append((self.poolmanager, self.proxy_manager))
        adapter: Any = self
        adapter.__setstate__(adapter.__getstate__())  # as one that has just arrived

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """The pools of connections by way of a proxy (called by `requests`)."""
        return _make_late(super().proxy_manager_for(proxy, **options))

    def send(
        self, request: requests.PreparedRequest, *args: Any, **options: Any
    ) -> requests.Response:
        """Send a request (called by `requests`).

        Raises:
            NotLeased: a placeholder's scope may not be used there; nothing was sent.
            LeaseError: a placeholder in the body or the URL; nothing was sent.
        """
        wanted = list(_placeholders(request))
        if not wanted:
            return super().send(request, *args, **options)
        injection = Injection(self.reader, self.lease, self._drafts)
        injection.check(wanted, request.url or "")
        before = SENDING.set(injection)
        try:
            answer = super().send(request, *args, **options)
            if answer.status_code != 401 or not injection.used:
                return answer
            injection.replace_refused()
            if not rewound(request):
                return answer
            give_back(answer)
            # A second 401 is the caller's.
            again = super().send(request, *args, **options)
        except Refused as refused:
            raise refused.error from None
        finally:
            SENDING.reset(before)
        again.history.append(answer)
        return again

    def close(self) -> None:
        """Close its connections, and give its locked memory back."""
        super().close()
        self._drafts.close()


def _placeholders(request: requests.PreparedRequest) -> Iterator[Placeholder]:
    """Those in a request's headers.

    Raises:
        LeaseError: one in the body or the URL, or a damaged one. What is streamed is
            not looked at: it is sent as it is.
    """
    if _holds(request.url):
        raise misplaced("URL")
    if _holds(request.body):
        raise misplaced("body")
    for name, value in request.headers.items():
        try:
            for piece in pieces(in_header(value)):
                if isinstance(piece, Placeholder):
                    yield piece
        except ValueError as error:
            raise LeaseError(
                f"the header {name} {error}",
                remedy="take the whole text from the lease's placeholder()",
            ) from None


def _holds(text: object) -> bool:
    if isinstance(text, str):
        return TAG.decode() in text
    return isinstance(text, bytes | bytearray) and TAG in text


def _make_late(manager: Any) -> Any:
    manager.pool_classes_by_scheme = late_pools(manager.pool_classes_by_scheme)
    return manager
