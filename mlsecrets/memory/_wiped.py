"""What holds a secret for as long as a `with` block lasts."""

from __future__ import annotations

from abc import abstractmethod
from types import TracebackType
from typing import TYPE_CHECKING

from ._opaque import Opaque

if TYPE_CHECKING:
    from typing_extensions import Self  # in typing from Python 3.11 on


class Wiped(Opaque):
    """For classes whose `with` block ends by wiping what they hold."""

    __slots__ = ()

    @abstractmethod
    def close(self) -> None:
        """Wipe it; again and again does no harm."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
