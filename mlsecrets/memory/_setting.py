"""A setting of the process that several ask for and that is put back exactly."""

from __future__ import annotations

from collections.abc import Callable


class Setting:
    """One number of the process, changed while somebody wishes it.

    The greatest wish counts. What was there before the first is put back after the
    last, unless the value is no longer the one set here: then somebody else has
    decided, which overrules the wishes until there is a new one.

    Args:
        name: what sentences call it.
        get, set_to: read and change it; raise OSError where the system refuses.
    """

    def __init__(
        self, name: str, get: Callable[[], int], set_to: Callable[[int], None]
    ) -> None:
        self._name = name
        self._get = get
        self._set = set_to
        self._wishes: dict[object, int] = {}
        self._before = 0
        self._ours: int | None = None  # what it was set to here, while there are wishes

    def wish(self, who: object, value: int) -> str | None:
        """Add a wish.

        Returns:
            why it was refused.
        """
        try:
            current = self._get()
            if current != self._ours:
                self._wishes.clear()  # overruled
            if not self._wishes:
                self._before = current
            self._change(current, max([value, *self._wishes.values()]))
        except OSError as error:
            return f"{self._name}: left as they were: {error.strerror}"
        self._wishes[who] = value
        return None

    def drop(self, who: object) -> str | None:
        """Take a wish back; nothing happens if there is none.

        Returns:
            why the value did not come back.
        """
        if self._wishes.pop(who, None) is None:
            return None
        try:
            current = self._get()
            if current != self._ours:
                return f"{self._name}: left as somebody else has set them meanwhile"
            self._change(current, max(self._wishes.values(), default=self._before))
        except OSError as error:
            return f"{self._name}: not put back: {error.strerror}"
        return None

    def _change(self, current: int, value: int) -> None:
        if current != value:
            self._set(value)
        self._ours = value
