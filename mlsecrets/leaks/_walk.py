"""Every text inside a value, and the way to it."""

from __future__ import annotations

import dataclasses
import functools
import os
from argparse import Namespace
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Mapping, MutableSequence
from collections.abc import Set as AbstractSet
from enum import Enum
from types import FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any, NamedTuple, TypeAlias

Buffer: TypeAlias = "bytes | bytearray | memoryview | array[Any]"
Text: TypeAlias = "str | Buffer"
TEXTS = (str, bytes, bytearray, memoryview, array)
PLAIN = frozenset((type(None), bool, int, float, complex))
#: Characters of a key that a path shows.
_SHOWN = 60


class Place(NamedTuple):
    """One step of the way to a part of a value."""

    outer: Place | None
    kind: str  # item, key or attribute
    name: object


def texts(value: Any) -> Iterator[tuple[Place | None, Text]]:
    """Every text in a value, each with its place; None for the value itself."""
    waiting: list[tuple[Place | None, Any]] = [(None, value)]
    # With the objects, so that no other one gets the identity of one that was dropped.
    seen: dict[int, Any] = {}
    while waiting:
        outer, part = waiting.pop()
        if isinstance(part, TEXTS):
            yield outer, part
            continue
        # A type has a hash; mypy asks that of its instances.
        way = way_into(type(part))  # type: ignore[arg-type]
        if way is None or id(part) in seen:
            continue
        seen[id(part)] = part
        for kind, name, inner in way(part):
            if type(inner) in PLAIN:  # nearly all that there is in most values
                continue
            place = Place(outer, kind, name)
            if isinstance(inner, TEXTS):
                yield place, inner
            else:
                waiting.append((place, inner))


def path(place: Place | None, withheld: Callable[[str], bool]) -> str:
    """The way to a place, such as ``storage_options.token`` or ``args[2]``.

    Args:
        place: None for the value itself.
        withheld: whether a key is not to be shown.
    """
    steps: list[str] = []
    while place is not None:
        steps.append(_step(place, withheld))
        place = place.outer
    return "".join(reversed(steps)).removeprefix(".").strip()


def _step(place: Place, withheld: Callable[[str], bool]) -> str:
    name = place.name
    if place.kind == "key":
        return " (a key)"
    if isinstance(name, str):
        if withheld(name):
            return "[a key that is one]"
        shown = name if len(name) <= _SHOWN else name[:_SHOWN] + "…"
        return f".{shown}" if shown.isidentifier() else f"[{shown!r}]"
    plain = name is None or isinstance(name, (int, float))
    return f"[{name!r}]" if plain else f"[{type(name).__name__}]"


# The ways into containers: each gives kind, name and inner value of every part.

Parts: TypeAlias = Iterator[tuple[str, object, Any]]


def _items(value: Mapping[Any, Any]) -> Parts:
    try:
        items = list(value.items())
    except Exception:  # noqa: BLE001  somebody else's, that refuses to be read
        yield from _attributes(value)
        return
    for key, inner in items:
        yield "key", key, key
        yield "item", key, inner


def _elements(value: Any) -> Parts:
    for index, inner in enumerate(value):
        yield "item", index, inner


def _members(value: Any) -> Parts:
    """Of a tuple, which may have names for them."""
    names = getattr(value, "_fields", range(len(value)))
    for name, inner in zip(names, value, strict=False):
        yield "item", name, inner


def _unordered(value: Any) -> Parts:
    for inner in list(value):
        yield "item", None, inner


def _file_name(value: Any) -> Parts:
    yield "attribute", "path", os.fspath(value)


def _attributes(value: Any) -> Parts:
    for name, inner in list(getattr(value, "__dict__", {}).items()):
        yield "attribute", name, inner
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in {"__dict__", "__weakref__"} and hasattr(value, name):
                yield "attribute", name, getattr(value, name)


def _fields(value: Any) -> Parts:
    for field in dataclasses.fields(value):
        yield "attribute", field.name, getattr(value, field.name, None)


def _member_of_enum(value: Any) -> Parts:
    yield "attribute", "value", value.value


def _exception(value: BaseException) -> Parts:
    yield "attribute", "args", value.args
    yield from _attributes(value)


def _partial(value: functools.partial[Any]) -> Parts:
    for name in ("func", "args", "keywords"):
        yield "attribute", name, getattr(value, name)


def _method(value: MethodType) -> Parts:
    yield "attribute", "__self__", value.__self__
    yield "attribute", "__func__", value.__func__


def _function(value: FunctionType) -> Parts:
    """What cloudpickle sends along with it."""
    for name, cell in zip(
        value.__code__.co_freevars, value.__closure__ or (), strict=False
    ):
        try:
            yield "attribute", name, cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    yield "attribute", "__defaults__", value.__defaults__
    yield "attribute", "__kwdefaults__", value.__kwdefaults__
    if value.__module__ == "__main__":  # sent by value, with the globals that it uses
        for name in value.__code__.co_names:
            yield "attribute", name, value.__globals__.get(name)


_NOTHING = (*PLAIN, type, ModuleType, range)
_WAYS: tuple[tuple[type | tuple[type, ...], Callable[[Any], Parts]], ...] = (
    (Mapping, _items),
    (tuple, _members),
    (AbstractSet, _unordered),
    ((MutableSequence, deque), _elements),
    (Enum, _member_of_enum),
    ((Namespace, SimpleNamespace), _attributes),
    (BaseException, _exception),
    (functools.partial, _partial),
    (MethodType, _method),
    (FunctionType, _function),
    (os.PathLike, _file_name),
)


@functools.lru_cache(maxsize=1024)
def way_into(kind: type) -> Callable[[Any], Parts] | None:
    """How to read the parts of a value of this type; None if it has none for us."""
    if issubclass(kind, _NOTHING) and not issubclass(kind, Enum):
        return None
    if dataclasses.is_dataclass(kind):
        return _fields
    for known, way in _WAYS:
        if issubclass(kind, known):
            return way
    # pydantic's models say how they pickle: by their attributes.
    if hasattr(kind, "model_fields") or _pickles_by_attributes(kind):
        return _attributes
    return None


def _pickles_by_attributes(kind: type) -> bool:
    """Whether an object is as public as its attributes; a lease, say, is not."""
    return all(
        getattr(kind, method, None) is getattr(object, method, None)
        for method in ("__reduce__", "__reduce_ex__", "__getstate__")
    )
