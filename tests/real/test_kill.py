"""A training process that is killed: what happens to its credentials."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from mlsecrets.devstack import DevStack

#: Leases, tells its values to the test on a pipe (what a thief would have), and trains.
TRAINER = """
import json, sys, threading
from mlsecrets import configure, lease

configure(sys.argv[1], on_sigterm={on_sigterm})
with lease("train-data") as data:
    grant = data.snapshot()
    credentials = grant.credentials
    print(json.dumps([
        credentials.public["access_key_id"],
        credentials.reveal("secret_access_key"),
        credentials.reveal("session_token"),
    ]), flush=True)
    threading.Event().wait(60)
"""


def start(stack: DevStack, on_sigterm: str) -> tuple[subprocess.Popen[str], Any]:
    """A trainer, and a client with what it was told."""
    trainer = subprocess.Popen(
        [
            sys.executable,
            "-c",
            TRAINER.format(on_sigterm=on_sigterm),
            str(stack.manifest_path),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert trainer.stdout is not None
    key, secret, token = json.loads(trainer.stdout.readline())
    client = boto3.client(
        "s3",
        endpoint_url=stack.store.address,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
    )
    return trainer, client


def refused_as(client: Any) -> str | None:
    """The store's word for why it refuses, None while it serves."""
    try:
        client.list_objects_v2(Bucket="datasets", Prefix="digits/")
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return None


def stop(trainer: subprocess.Popen[str], client: Any) -> None:
    client.close()
    if trainer.poll() is None:
        trainer.kill()
    trainer.wait()
    assert trainer.stdout is not None
    trainer.stdout.close()


def test_sigterm_revokes(mlsecrets_stack: DevStack) -> None:
    """The block is left in order: the store refuses the credentials at once."""
    trainer, client = start(mlsecrets_stack, "'exit'")
    try:
        assert refused_as(client) is None
        trainer.send_signal(signal.SIGTERM)
        assert trainer.wait(10) == 128 + signal.SIGTERM
        assert refused_as(client) == "AccessDenied"
    finally:
        stop(trainer, client)


def test_what_runs_nothing_leaves_the_ttl(
    mlsecrets_stack: DevStack, record_property: Any
) -> None:
    """SIGKILL, and SIGTERM without a handler: gone at the TTL, and not later."""
    ttl = mlsecrets_stack.ttl
    with ExitStack() as exits:
        # One after the other they are killed, and both are waited for at once.
        waiting = {}
        for number in (signal.SIGKILL, signal.SIGTERM):
            trainer, client = start(mlsecrets_stack, "None")
            exits.callback(stop, trainer, client)
            waiting[number] = (time.monotonic(), client)
            trainer.send_signal(number)
            assert trainer.wait(10) == -number
            assert refused_as(client) is None
        ends: dict[signal.Signals, tuple[float, str]] = {}
        deadline = time.monotonic() + ttl + 5
        while waiting and time.monotonic() < deadline:
            for number, (killed, client) in list(waiting.items()):
                if (why := refused_as(client)) is not None:
                    ends[number] = (time.monotonic() - killed, why)
                    del waiting[number]
            # The store's clock cannot be moved; asking it all the time helps nobody.
            threading.Event().wait(0.05)
    for number, (seconds, why) in ends.items():
        record_property(f"seconds after {number.name}", seconds)
        # Usually InvalidAccessKeyId; in the very second of its end the store may say
        # AccessDenied, as of a revoked one. That nobody revoked it shows in the time.
        assert why in {"InvalidAccessKeyId", "AccessDenied"}
        assert ttl - 3 <= seconds <= ttl + 2
    assert not waiting


def test_no_socket_of_a_dead_trainer_is_trusted(
    mlsecrets_stack: DevStack, tmp_path: Path
) -> None:
    """Its folder may stay behind after SIGKILL; nobody answers there."""
    trainer, client = start(mlsecrets_stack, "None")
    try:
        environ = Path(f"/proc/{trainer.pid}/environ").read_text()
        assert "MLSECRETS_SOCK" not in environ  # set later, inside the process
    finally:
        stop(trainer, client)


def test_a_second_sigterm_does_not_cut_the_ending_short(
    mlsecrets_stack: DevStack,
) -> None:
    """timeout(1) and systemd may send it twice."""
    trainer, client = start(mlsecrets_stack, "'exit'")
    try:
        for _ in range(20):
            trainer.send_signal(signal.SIGTERM)
            threading.Event().wait(0.003)
        assert trainer.wait(10) == 128 + signal.SIGTERM
        assert refused_as(client) == "AccessDenied"
    finally:
        stop(trainer, client)


def test_what_is_held_to_the_end_of_the_process_is_revoked(
    mlsecrets_stack: DevStack, tmp_path: Path
) -> None:
    """`hold` without a block: the exit hook ends it, before its memory is wiped."""
    code = (
        "import sys, mlsecrets;"
        "mlsecrets.configure(sys.argv[1], journal=sys.argv[2]);"
        "mlsecrets.hold('train-data').snapshot()"
    )
    journal = tmp_path / "journal.jsonl"
    done = subprocess.run(
        [sys.executable, "-c", code, str(mlsecrets_stack.manifest_path), str(journal)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    ended = [(e["event"], e["scope"]) for e in events if e["event"] != "issued"]
    assert ended == [
        ("revoked", "train-data"),
        ("revoked", "login:bao"),
        ("shredded", "login:bao"),
        ("shredded", "train-data"),
    ]
