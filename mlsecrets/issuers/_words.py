"""What a server says to a refusal: searched where it lies, and never read out."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..memory import Sealed


def phrases(*alternatives: str) -> re.Pattern[bytes]:
    """Finds any of these phrases, in whatever case."""
    return re.compile("|".join(map(re.escape, alternatives)).encode(), re.IGNORECASE)


class Words:
    """Texts of an answer that may quote anything, a secret among it.

    Args:
        texts: in the answer's memory; gone with it.
    """

    def __init__(self, texts: Iterable[Sealed] = ()) -> None:
        self._texts = tuple(texts)

    def have(self, pattern: re.Pattern[bytes]) -> bool:
        """Whether one of the texts has something that matches."""
        return any(_is_in(text, pattern) for text in self._texts)


def _is_in(text: Sealed, pattern: re.Pattern[bytes]) -> bool:
    with text.reading() as view:
        return pattern.search(view) is not None
