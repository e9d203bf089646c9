"""Sessions of `requests` that sign with a lease and never hold a secret."""

from __future__ import annotations

from collections import OrderedDict
from contextvars import ContextVar

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from .._placeholder import Placeholder, in_header
from .._reference import Reference
from ..errors import NotLeased
from ._adapter import LateAdapter
from ._message import BASIC

_LATE: ContextVar[bool] = ContextVar("mlsecrets-late", default=False)


class LateSession(requests.Session):
    """A session that signs with a lease and never holds a secret.

    Args:
        lease: signs each request that has no placeholder of its own; nothing does if
            absent.
        reader: which library it belongs to; shown in the lease's exposure.
    """

    def __init__(
        self, lease: Reference | None = None, *, reader: str = "requests"
    ) -> None:
        super().__init__()
        if lease is not None:
            self.auth = LateAuth(lease)
        for prefix in list(self.adapters):
            adapter = LateAdapter()
            adapter.lease, adapter.reader = lease, reader
            self.mount(prefix, adapter)

    @classmethod
    def like(cls, session: requests.Session, reader: str) -> LateSession:
        """A session that does all that another does, and sends late."""
        made = cls()
        vars(made).update(vars(session), adapters=OrderedDict())
        for prefix, adapter in session.adapters.items():
            if isinstance(adapter, HTTPAdapter):
                made.mount(prefix, LateAdapter.like(adapter, reader))
            else:
                made.mount(prefix, adapter)
        return made

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """Prepare a request; a `LeaseAuth` puts a placeholder into it here."""
        late = all(isinstance(at, LateAdapter) for at in self.adapters.values())
        before = _LATE.set(late)
        try:
            return super().prepare_request(request)
        finally:
            _LATE.reset(before)


class LateAuth(AuthBase):
    """Puts a lease's placeholder into a request that has none yet."""

    def __init__(self, lease: Reference) -> None:
        self._lease = lease

    def __repr__(self) -> str:
        return f"<LateAuth {self._lease.scope}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LateAuth) and self._lease == other._lease

    def __hash__(self) -> int:
        return hash(self._lease)

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign a request (called by `requests`)."""
        if not any(map(in_header, request.headers.values())):
            kind = self._lease.source().snapshot().credentials.KIND
            scheme, field = scheme_of(kind)
            value = f"{scheme} {Placeholder(self._lease.scope, field)}"
            request.headers["Authorization"] = value
        return request


def preparing_late() -> bool:
    """Whether the request that this thread is preparing will be sent late."""
    return _LATE.get()


def scheme_of(kind: str) -> tuple[str, str]:
    """How credentials of a kind sign a request, and which field does."""
    if kind == "bearer":
        return "Bearer", "token"
    if kind == "username-password":
        return "Basic", BASIC
    raise NotLeased(
        f"a lease of {kind} credentials cannot sign plain HTTP requests",
        remedy="use the lease's filesystem() or boto3_session()",
    )
