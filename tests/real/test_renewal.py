"""Renewal as jobs meet it: stopped processes, coroutines, callbacks, reservations."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from mlsecrets import Event, _current, configure, errors, hold, lease, release
from mlsecrets.devstack import DevStack
from mlsecrets.testing import FakeClock

#: Reads an object every few milliseconds; says how it went when its input ends.
READER = """
import json, sys, threading
from mlsecrets import configure, lease

configure(sys.argv[1])
done = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), done.set()), daemon=True).start()
reads, failures = 0, []
with lease("train-data") as data:
    client = data.boto3_session().client("s3")
    print("ready", flush=True)
    while not done.wait(0.005):
        try:
            assert client.get_object(Bucket="datasets", Key=sys.argv[2])["Body"].read()
        except Exception as error:
            failures.append(repr(error))
        reads += 1
    generation = data.snapshot().terms.generation
print(json.dumps({"reads": reads, "failures": failures, "generation": generation}))
"""


@pytest.fixture(scope="module")
def brief() -> Iterator[DevStack]:
    """A stack of three-second credentials."""
    with DevStack(ttl=3, mlflow=False) as stack:
        yield stack


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGSTOP")
def test_a_process_that_was_stopped_never_uses_a_dead_credential(
    brief: DevStack,
) -> None:
    """Stopped past their end, its first read has new ones or waits for them."""
    key = brief.seed_digits()["train"][0]
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(brief.manifest_path), key],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with reader:
        assert reader.stdin is not None
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
        for _ in range(2):
            reader.send_signal(signal.SIGSTOP)
            # The servers' clocks cannot be moved, and the credentials are theirs.
            threading.Event().wait(4.0)
            reader.send_signal(signal.SIGCONT)
            threading.Event().wait(0.5)
        reader.stdin.close()
        told = json.loads(reader.stdout.read())
    assert told["failures"] == []
    assert told["reads"] > 5
    assert told["generation"] >= 3


def test_coroutines_hold_leases_as_threads_do(stack: DevStack) -> None:
    """One object for both: there is no second tree of classes."""

    async def main() -> None:
        async with lease("mlflow") as creds:
            assert creds.snapshot().terms.generation == 1
            async with creds.reserve(1.0) as grant:
                assert grant.terms.generation == 1
        assert creds.report.ended

    asyncio.run(main())


def test_a_coroutine_that_is_cancelled_while_leasing_leaves_no_lease(
    stack: DevStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the thread still opens, it ends."""
    opening, may_open = threading.Event(), threading.Event()
    reserve = _current.session().reserve

    def slowly(name: str, place: Any) -> Any:
        opening.set()
        assert may_open.wait(10)
        return reserve(name, place)

    monkeypatch.setattr(_current.session(), "reserve", slowly)

    async def main() -> None:
        async def job() -> None:
            async with lease("mlflow"):
                raise AssertionError("the block is never entered")

        task = asyncio.create_task(job())
        await asyncio.to_thread(opening.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        may_open.set()

    asyncio.run(main())  # waits for the loop's threads
    session = _current.current()
    assert session is not None
    assert not session.busy
    assert [event.name for event in session.journal.events(scope="mlflow")] == [
        "issued",
        "ends_at_ttl",
        "shredded",
    ]


def test_a_callback_hears_of_its_lease_until_the_end(stack: DevStack) -> None:
    """In order, with the last events, and with no secret in them."""
    heard: list[Event] = []
    with lease("mlflow") as creds:
        creds.subscribe(heard.append)
        live = _current.session().held("mlflow")
        live.tend()
        secret = creds.snapshot().credentials.reveal("token")
    assert [event.name for event in heard] == [
        "replaced",
        "ends_at_ttl",
        "ends_at_ttl",
        "shredded",
    ]
    assert secret not in "".join(event.to_json() for event in heard)


def test_a_bundle_subscribes_to_each_of_its_leases(stack: DevStack) -> None:
    """And unsubscribes from all of them."""
    heard: list[Event] = []
    with lease("mlflow", "train-data") as creds:
        unsubscribe = creds.subscribe(heard.append, "replaced")
        for scope in creds:
            _current.session().held(scope).tend()
        unsubscribe()
        _current.session().held("mlflow").tend()
    assert sorted(event.scope for event in heard) == ["mlflow", "train-data"]


def test_one_callback_can_hear_of_everything(stack: DevStack) -> None:
    """Of every lease, and of the process's own login."""
    heard: list[Event] = []
    configure(stack.manifest_path, on_event=heard.append)
    with lease("mlflow"):
        pass
    configure()  # waits for the last callback
    assert {event.scope for event in heard} == {"mlflow", "login:bao"}
    assert [event.name for event in heard if event.scope == "login:bao"] == [
        "issued",
        "revoked",
        "shredded",
    ]


def test_a_held_lease_has_events_too(stack: DevStack) -> None:
    """`hold` gives the same thing as a block does."""
    heard: list[Event] = []
    held = hold("mlflow")
    held.subscribe(heard.append)
    assert held.doomed is None
    release("mlflow")
    assert [event.name for event in heard] == ["ends_at_ttl", "shredded"]
    with pytest.raises(errors.LeaseClosed):
        held.subscribe(heard.append)
    with pytest.raises(errors.LeaseClosed):
        _ = held.doomed


def test_a_reservation_renews_ahead_or_refuses(stack: DevStack) -> None:
    """Before the transfer begins; and says what is possible."""
    configure(stack.manifest_path, clock=FakeClock(wall=None))
    clock = _current.session().clock
    assert isinstance(clock, FakeClock)
    with lease("train-data") as data:
        clock.advance(5.0)
        with data.reserve(6.0) as grant:
            assert grant.terms.generation == 2
            assert data.ensure(6.0).terms.generation == 2
        with (
            pytest.raises(errors.LeaseTooShort) as caught,
            data.reserve(3600.0),
        ):
            raise AssertionError("the block is never entered")
        assert 6.0 <= caught.value.possible <= 10.0
        assert data.snapshot().terms.generation == 2


def test_what_was_reserved_stays_in_memory_for_its_block(stack: DevStack) -> None:
    """A transfer that was signed with it can go on with it."""
    with lease("mlflow") as creds:
        with creds.reserve(1.0) as grant:
            credentials = grant.credentials
            del grant
            _current.session().held("mlflow").tend()
            assert creds.snapshot().terms.generation == 2
            assert not credentials.closed
        buffer = credentials.buffer
        del credentials
        assert not buffer.closed  # this name holds it now


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_only_a_stretch_of_time_can_be_reserved(
    stack: DevStack, seconds: float
) -> None:
    """Whatever else is given is refused with what was expected."""
    with lease("mlflow") as creds:
        with pytest.raises(ValueError, match="seconds above 0"):
            creds.ensure(seconds)
        with pytest.raises(ValueError, match="seconds above 0"):
            creds.reserve(seconds)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"on_outage": "pray"}, "on_outage"),
        ({"on_outage": "wait", "outage_limit": 0}, "outage_limit"),
        ({"on_outage": "wait", "outage_limit": float("nan")}, "outage_limit"),
    ],
)
def test_a_policy_for_outages_is_one_of_two(
    options: dict[str, Any], expected: str
) -> None:
    """It says which."""
    with pytest.raises(ValueError, match=expected):
        configure(**options)
