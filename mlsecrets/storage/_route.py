"""Which lease signs which S3 request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .._reference import Reference, views
from ..access import Verb
from ..errors import NotLeased
from ..view import ScopeView

#: S3 operations that change nothing begin with one of these; all others write.
READING = ("Get", "Head", "List", "Select")


class Router:
    """Finds the open lease whose access covers a request.

    Args:
        scope: use this lease alone; the store then judges what it may do.
    """

    def __init__(self, scope: str | None = None) -> None:
        self.scope = scope
        self._references: dict[str, Reference] = {}

    def __repr__(self) -> str:
        return f"Router({self.scope!r})"

    def pick(self, operation: str, params: Mapping[str, Any]) -> Reference:
        """The lease for one S3 API call.

        Args:
            operation: the API's name for it, such as ``GetObject``.
            params: its parameters, such as ``Bucket`` and ``Key``.

        Raises:
            NotLeased: no open lease covers it; nothing has been sent.
        """
        if self.scope is not None:
            return self._reference(self.scope)
        for fresh in (False, True):
            known = _s3_views(fresh=fresh)
            for view in known:
                if _covers(view, operation, params):
                    return self._reference(view.name)
        have = "; ".join(
            f"{view.name} ({', '.join(map(str, view.access))})" for view in known
        )
        raise NotLeased(
            f"no open lease covers {operation} of s3://{params.get('Bucket', '')}/"
            f"{next(_keys(params), '')}; open: {have or 'none'}",
            remedy="lease a scope whose access covers it, or widen the scope's access "
            "with its owner",
        )

    def is_folder(self, verb: Verb, bucket: str, key: str) -> bool:
        """Whether a key is no object that the leases may touch, but above such."""
        known = [
            view
            for view in _s3_views(fresh=False)
            if self.scope is None or view.name == self.scope
        ]
        return not any(view.covers(verb, bucket, key) for view in known) and any(
            access.covers_listing(bucket, key.rstrip("/") + "/")
            for view in known
            for access in view.access
        )

    def connection(self) -> dict[str, str]:
        """The endpoint and region shared by the leases that may be picked.

        Raises:
            NotLeased: none is open, or they lie at different stores.
        """
        known = [
            view
            for view in _s3_views(fresh=True)
            if self.scope is None or view.name == self.scope
        ]
        if not known:
            raise NotLeased(
                f"no lease of {self.scope or 'any S3 scope'} is open, here or in a "
                "parent process",
                remedy=f'open one around it: with lease("{self.scope or "…"}"): …',
            )
        if any(view.connection != known[0].connection for view in known):
            names = ", ".join(view.name for view in known)
            raise NotLeased(
                f"the open leases lie at different stores: {names}",
                remedy="say which: leases3 takes scope=NAME",
            )
        return dict(known[0].connection)

    def _reference(self, scope: str) -> Reference:
        if scope not in self._references:
            self._references[scope] = Reference(scope)
        return self._references[scope]


def client_settings(connection: Mapping[str, str]) -> dict[str, str]:
    """A lease's connection, in the words of ``create_client``."""
    words = {"endpoint_url": "endpoint_url", "region_name": "region_name"}
    words["ca_file"] = "verify"
    return {words[name]: value for name, value in connection.items()}


def _s3_views(*, fresh: bool) -> list[ScopeView]:
    return [view for view in views(fresh=fresh) if "endpoint_url" in view.connection]


def _covers(view: ScopeView, operation: str, params: Mapping[str, Any]) -> bool:
    bucket = str(params.get("Bucket", ""))
    verb: Verb = "read" if operation.startswith(READING) else "write"
    keys = list(_keys(params))
    if operation.startswith("ListObject"):
        prefix = str(params.get("Prefix") or "")
        return any(access.covers_listing(bucket, prefix) for access in view.access)
    if not keys:
        # About the bucket itself: any lease in it may ask, and the store decides.
        return verb == "read" and any(a.bucket == bucket for a in view.access)
    return all(view.covers(verb, bucket, key) for key in keys)


def _keys(params: Mapping[str, Any]) -> Iterator[str]:
    if params.get("Key"):
        yield str(params["Key"])
    for item in params.get("Delete", {}).get("Objects", []):
        yield str(item["Key"])
