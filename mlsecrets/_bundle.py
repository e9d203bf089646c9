"""Several leases of one block."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._lease import Lease
from ._listeners import Callback
from .errors import NotLeased
from .report import ExitReport


class Bundle:
    """Several leases of one block, by scope name."""

    __slots__ = ("_leases",)

    def __init__(self, leases: dict[str, Lease]) -> None:
        self._leases = leases

    def __getitem__(self, scope: str) -> Lease:
        try:
            return self._leases[scope]
        except KeyError:
            raise NotLeased(
                f"this block does not lease {scope!r}; it leases "
                f"{', '.join(self._leases)}"
            ) from None

    def __iter__(self) -> Any:
        return iter(self._leases)

    def __len__(self) -> int:
        return len(self._leases)

    def __repr__(self) -> str:
        return f"<Bundle {', '.join(self._leases)}>"

    def subscribe(self, callback: Callback, *names: str) -> Callable[[], None]:
        """`Lease.subscribe` for each of them; a function that ends all of it."""
        enders = [lease.subscribe(callback, *names) for lease in self._leases.values()]

        def unsubscribe() -> None:
            for end in enders:
                end()

        return unsubscribe

    @property
    def reports(self) -> dict[str, ExitReport]:
        """Each lease's report, once the block has ended."""
        return {name: lease.report for name, lease in self._leases.items()}
