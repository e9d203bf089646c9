"""A setting of the process goes back to exactly what it was."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mlsecrets.memory._setting import Setting


class Process:
    """One number, as a system call would keep it."""

    def __init__(self, value: int) -> None:
        self.value = value
        self.refusing = False

    def get(self) -> int:
        return self.value

    def set_to(self, value: int) -> None:
        if self.refusing:
            raise OSError(1, "operation not permitted")
        self.value = value


def setting(process: Process) -> Setting:
    return Setting("core files", process.get, process.set_to)


@given(
    st.integers(-1, 3),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 1)), max_size=20),
)
def test_what_was_there_first_comes_back_last(
    first: int, steps: list[tuple[int, int]]
) -> None:
    """In whatever order wishes come and go; in between the greatest one counts."""
    process = Process(first)
    ours = setting(process)
    wishes: dict[int, int] = {}
    for who, value in steps:
        if who in wishes:
            assert ours.drop(who) is None
            del wishes[who]
        else:
            assert ours.wish(who, value) is None
            wishes[who] = value
        assert process.value == max(wishes.values(), default=first)
    for who in wishes:
        assert ours.drop(who) is None
    assert process.value == first


def test_dropping_twice_is_dropping_once() -> None:
    """And dropping what was never wished does nothing."""
    process = Process(1)
    ours = setting(process)
    ours.wish("a", 0)
    ours.drop("a")
    process.value = 7
    assert ours.drop("a") is None
    assert ours.drop("b") is None
    assert process.value == 7


def test_a_change_by_somebody_else_stays() -> None:
    """It is not undone, and the sentence says why."""
    process = Process(1)
    ours = setting(process)
    ours.wish("a", 0)
    process.value = 2
    assert ours.drop("a") == (
        "core files: left as somebody else has set them meanwhile"
    )
    assert process.value == 2


def test_a_change_by_somebody_else_overrules_older_wishes_only() -> None:
    """A wish made after it counts, and leaves behind what they had set."""
    process = Process(1)
    ours = setting(process)
    ours.wish("old", 0)
    process.value = 2
    ours.wish("new", 1)
    assert process.value == 1
    assert ours.drop("new") is None
    assert process.value == 2
    assert ours.drop("old") is None
    assert process.value == 2


def test_a_refusal_is_told_and_nothing_is_remembered() -> None:
    """A wish that was refused is none: dropping it changes nothing."""
    process = Process(1)
    ours = setting(process)
    process.refusing = True
    assert ours.wish("a", 0) == (
        "core files: left as they were: operation not permitted"
    )
    process.refusing = False
    assert ours.drop("a") is None
    assert process.value == 1


def test_a_refusal_to_put_back_is_told() -> None:
    """What did not come back is no secret."""
    process = Process(1)
    ours = setting(process)
    ours.wish("a", 0)
    process.refusing = True
    assert ours.drop("a") == "core files: not put back: operation not permitted"
