"""Writing a request in locked memory."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

from .._origin import Origin
from ..memory import Draft, Sealed

#: A header's name, and a method (RFC 9110 §5.6.2, "token").
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: A header's value (RFC 9110 §5.5): neither space around it nor control characters.
_VALUE = re.compile(rb"(?:[!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?)?")
#: What may be in a path and its query as it is (RFC 3986 §3.3, §3.4), and "%" for
#: those who have quoted already.
_TARGET = "/?:@!$&'()*+,;=~%-._"


def compose(
    draft: Draft,
    method: str,
    origin: Origin,
    path: str,
    headers: Mapping[str, str | Sealed],
    body: bytes | Sealed | None,
) -> bool:
    """Append a whole request to `draft`.

    Args:
        path: with its query; what must be quoted is.

    Returns:
        whether it can be sent. (Not an error, which would be kept with what led to it.)
    """
    if not _TOKEN.fullmatch(method):
        return False
    lines: dict[str, str | Sealed] = {
        "Host": str(origin).partition("://")[2],
        # An answer is read where it arrives, so it must not be compressed.
        "Accept-Encoding": "identity",
        "User-Agent": "mlsecrets",
        **headers,
    }
    if body is not None or method != "GET":
        lines["Content-Length"] = str(0 if body is None else len(body))
    draft.add(f"{method} {quote(path, safe=_TARGET)} HTTP/1.1\r\n")
    for name, value in lines.items():
        if not _TOKEN.fullmatch(name) or not _add_header(draft, name, value):
            return False
    draft.add("\r\n")
    if isinstance(body, Sealed):
        draft.add_secret(body)
    elif body is not None:
        draft.add(body)
    return True


def _add_header(draft: Draft, name: str, value: str | Sealed) -> bool:
    draft.add(f"{name}: ")
    if isinstance(value, Sealed):
        draft.add_secret(value).add("\r\n")
        with value.reading() as view:
            return _is_value(view)
    try:
        raw = value.encode("latin-1")
    except UnicodeEncodeError:
        return False
    draft.add(raw).add("\r\n")
    return _is_value(raw)


def _is_value(text: bytes | memoryview) -> bool:
    # A match holds a view, and so must not outlive this.
    return _VALUE.fullmatch(text) is not None
