"""Nothing that was secret on the wire is found in what is said about it."""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs

import pytest

from mlsecrets import _current
from mlsecrets.errors import MLSecretsError
from tests.faults.exchange import Exchange, Message
from tests.frames import held_in_frames

#: JSON keys whose values are secrets.
_KEYS = {"client_token", "password", "secret_id", "token"}
#: XML elements whose texts are secrets.
_ELEMENTS = re.compile(rb"<(SecretAccessKey|SessionToken)>([^<]+)<")
#: Shorter ones are found by chance.
_SHORTEST = 8


class Secrecy:
    """Collects secrets as they pass the proxy, and what was said meanwhile.

    Args:
        caplog: what was logged.
    """

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self.secrets: set[str] = set()
        self._caplog = caplog
        self._said: list[str] = []

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Note the secrets of every request and of its answer, lost or not."""
        forward = Exchange.forward

        def watched(exchange: Exchange) -> Message:
            self._note(exchange.request)
            answer = forward(exchange)
            self._note(answer)
            return answer

        monkeypatch.setattr(Exchange, "forward", watched)

    @contextmanager
    def raises(
        self, kind: type[MLSecretsError], match: str | None = None
    ) -> Iterator[pytest.ExceptionInfo[MLSecretsError]]:
        """`pytest.raises`, whose error is searched as well."""
        with pytest.raises(kind, match=match) as caught:
            yield caught
        self.said(caught.value)

    def said(self, this: object) -> None:
        """Search this too: an error with its causes and frames, a report, an event."""
        self._said.append(f"{this!r} {this}")
        if isinstance(this, BaseException):
            self._said += traceback.format_exception(this)
            self._said += held_in_frames(this)
        if isinstance(this, MLSecretsError):
            self._said.append(this.diagnostics())

    def check(self) -> None:
        """No secret was said."""
        session = _current.current()
        if session is not None:
            self._said += [event.to_json() for event in session.journal.events()]
        for when in ("setup", "call", "teardown"):
            for record in self._caplog.get_records(when):
                self._said += [record.getMessage(), repr(record.__dict__)]
        everything = "\n".join(self._said)
        for secret in self.secrets:
            # Without the secret in the message: it is a failure's text.
            assert (secret in everything) is False, "a secret was said"

    def _note(self, message: Message) -> None:
        self._add(message.header("x-vault-token"))
        for name, values in parse_qs(message.body.decode("latin-1")).items():
            if name == "WebIdentityToken":
                self._add(values[0])
        for _, text in _ELEMENTS.findall(message.body):
            self._add(text.decode())
        try:
            self._walk(json.loads(message.body))
        except ValueError:
            return  # no JSON: a form, XML or nothing

    def _walk(self, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                if key in _KEYS and isinstance(inner, str):
                    self._add(inner)
                self._walk(inner)

    def _add(self, secret: str) -> None:
        if len(secret) >= _SHORTEST:
            self.secrets.add(secret)
