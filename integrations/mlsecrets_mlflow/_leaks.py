"""Keeping secrets out of what MLflow records: parameters, tags, traces and more."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mlsecrets import refuse_secrets

if TYPE_CHECKING:
    from requests import PreparedRequest


def refuse_leak(request: PreparedRequest) -> None:
    """Refuse a request that would have a live secret recorded.

    A file that is uploaded is not looked into.

    Raises:
        SecretLeak: says which secret, and under which key it would have been.
    """
    where = f"MLflow ({urlsplit(request.url or '').path})"
    refuse_secrets(request.url, where)
    if isinstance(request.body, str | bytes):
        refuse_secrets(_named(request.body), where)


def _named(body: str | bytes) -> Any:
    """A body's content, each value under the name that its author gave it."""
    try:
        return _by_key(json.loads(body))
    except ValueError:  # no JSON, nor need it be
        return body


def _by_key(value: Any) -> Any:
    if isinstance(value, list):
        return [_by_key(item) for item in value]
    if not isinstance(value, dict):
        return value
    items = {name: _by_key(item) for name, item in value.items()}
    if isinstance(items.get("key"), str) and "value" in items:
        items[items.pop("key")] = items.pop("value")
    return items
