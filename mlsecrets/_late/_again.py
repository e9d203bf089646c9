"""Sending a request again that a server refused."""

from __future__ import annotations

import requests
from requests.utils import rewind_body


def rewound(request: requests.PreparedRequest) -> bool:
    """Whether the body can be sent again; it then is at its beginning."""
    if request.body is None or isinstance(request.body, str | bytes):
        return True
    try:
        rewind_body(request)
    except requests.exceptions.UnrewindableBodyError:
        return False
    return True


def give_back(answer: requests.Response) -> None:
    """Give a connection back before it is used again."""
    answer.content  # noqa: B018
    answer.close()
