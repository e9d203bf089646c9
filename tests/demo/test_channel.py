"""The pipe to the training process."""

from __future__ import annotations

import pytest

from mlsecrets.credentials import AWSCredentials
from mlsecrets_demo.channel import Channel
from mlsecrets_demo.plan import Plan, Static


def test_messages_and_raw_bytes_share_the_pipe_in_order():
    """A secret's fields arrive whole behind their message, and messages after them."""
    ours, theirs = Channel.pair()
    credentials = AWSCredentials.of("key-id", "a secret key", "a session token")
    lengths = [length for _, length in credentials.buffer.slots]
    theirs.say("credentials", lengths=lengths)
    with credentials.buffer.reading() as view:
        theirs.send_raw(view)
    theirs.say("all handed over")
    assert ours.hear() == {"say": "credentials", "lengths": lengths}
    assert ours.receive_raw(lengths) == ["a secret key", "a session token"]
    assert ours.hear()["say"] == "all handed over"
    credentials.close()
    ours.close()
    theirs.close()


def test_asking_waits_for_the_answer():
    """`ask` returns when the other end has said something."""
    ours, theirs = Channel.pair()
    ours.say("go on")
    theirs.ask("trained", accuracy=0.99)
    assert ours.hear() == {"say": "trained", "accuracy": 0.99}
    ours.close()
    theirs.close()


def test_an_end_that_is_gone_is_an_end_of_file():
    """The training process may be killed at any time."""
    ours, theirs = Channel.pair()
    theirs.close()
    with pytest.raises(EOFError):
        ours.hear()
    with pytest.raises(EOFError):
        ours.receive_raw([1])
    ours.close()


@pytest.mark.parametrize(
    "static", [None, Static("http://a", "http://b", "role", "r", "s")]
)
def test_a_plan_survives_the_command_line(static: Static | None):
    """What the parent writes is what the training process reads."""
    plan = Plan(90.0, "run-1", "reads.jsonl", static=static)
    assert Plan.from_json(plan.to_json()) == plan
