"""An answer of OpenBao or Vault, its JSON read where it lies."""

from __future__ import annotations

from typing import ClassVar

from ..memory import Sealed, Wiped
from ._answer import Answer
from ._sealed_json import Object, read_object
from ._words import Words


class Reply(Wiped):
    """What was answered; its `with` block ends by wiping it.

    Args:
        answer: not read yet; belongs to the reply from now on.

    Attributes:
        status: the HTTP status code.
        content: the JSON object, its strings in the answer's memory; None if it is
            none.
        sent_at: monotonic seconds just before the request left.
        retry_after: seconds that the server asks to wait, 0 if it does not.
    """

    WHAT: ClassVar[str] = "a reply"
    INSTEAD: ClassVar[str] = "ask again where it is needed"

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.status = answer.status
        self.content: Object | None = read_object(answer.body)
        self.sent_at = answer.sent_at
        self.retry_after = answer.retry_after

    @property
    def words(self) -> Words | None:
        """What its ``errors`` say; None if they are not the server's own.

        Everything OpenBao and Vault say is a JSON object with a list of ``errors`` (an
        empty one for a path with nothing there) or, for a version of a stored value
        that was deleted, with a ``request_id``.
        """
        if self.content is None:
            return None
        errors = self.content.get("errors")
        if isinstance(errors, list):
            said = [text for text in errors if isinstance(text, Sealed)]
            if len(said) == len(errors):
                return Words(said)
        return Words() if isinstance(self.content.get("request_id"), Sealed) else None

    def close(self) -> None:
        """Wipe it."""
        self._answer.close()

    def __repr__(self) -> str:
        return f"<Reply {self.status}>"
