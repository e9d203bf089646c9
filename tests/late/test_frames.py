"""Frames hold no token where an error strikes while it is written into a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.bursts import bursting
from tests.frames import held_in_frames

if TYPE_CHECKING:
    import requests

    from .conftest import Held
    from .far import Far


def test_of_a_request_that_a_token_is_written_into(
    held: Held,
    far: Far,
    session: requests.Session,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Wherever it strikes; the connection is not used again."""
    errors = list(bursting(monkeypatch, lambda: session.get(far.url("a"))))
    assert errors
    texts = [text for error in errors for text in held_in_frames(error)]
    token = held.live.snapshot().credentials.reveal("token")
    assert not any(token in text for text in texts)
    # They were looked into: the placeholder was there.
    assert any(held.creds.placeholder() in text for text in texts)
