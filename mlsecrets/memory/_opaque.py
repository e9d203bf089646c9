"""What holds a secret does not print, pickle or copy it."""

from __future__ import annotations

from typing import ClassVar, NoReturn, SupportsIndex


class Opaque:
    """For classes whose instances must not become text or travel by themselves.

    ``repr`` is the subclass's own, and says nothing of the content.
    """

    #: What errors call an instance, and what to do instead of sending it.
    WHAT: ClassVar[str]
    INSTEAD: ClassVar[str]

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        self._does_not("pickle")

    def __reduce__(self) -> NoReturn:
        self._does_not("pickle")

    def __getstate__(self) -> NoReturn:
        self._does_not("pickle")

    def __copy__(self) -> NoReturn:
        self._does_not("copy")

    def __deepcopy__(self, memo: object) -> NoReturn:
        self._does_not("copy")

    def _does_not(self, what: str) -> NoReturn:
        raise TypeError(f"{self.WHAT} does not {what}; {self.INSTEAD}")
