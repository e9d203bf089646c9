"""What holds a secret for as long as a `with` block lasts."""

from __future__ import annotations

from abc import abstractmethod
from types import TracebackType
from typing import TypeVar

from typing_extensions import Self

from ._opaque import Opaque

T = TypeVar("T", bound="Wiped")


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
