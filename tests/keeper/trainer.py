"""Training processes that lease by a keeper, and say what they see."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from mlsecrets.devstack import DevStack

ROOT = Path(__file__).parents[2]

_SETTING = """
import ctypes, json, os, signal, sys, threading, time
from mlsecrets import configure, errors, hold, lease, release
from mlsecrets._tenant import tenant

def tell(what):
    print(json.dumps(what), flush=True)

def heard():
    return sys.stdin.readline().strip()

def keeper():
    return tenant()._membership.owner

def raw(held):
    held = held.snapshot().credentials
    fields = [held.reveal(name) for name in ("secret_access_key", "session_token")]
    return [held.public["access_key_id"], *fields]

manifest, journal, options = sys.argv[1:4]
options = {"keeper": "process", "sweep": "never"} | json.loads(options)
configure(manifest, journal=journal, **options)
"""


class Trainer:
    """A process that runs some lines with `mlsecrets` configured.

    Args:
        code: the lines; they may `tell` the test things, and wait until `heard`.
        manifest: the path of its manifest.
        journal: the path of its journal.
        options: further arguments of `configure`.
        environ: its environment; this process's if None.
        started: further arguments of `subprocess.Popen`.
    """

    def __init__(
        self,
        code: str,
        manifest: Path,
        journal: Path,
        options: Mapping[str, Any],
        environ: Mapping[str, str] | None = None,
        **started: Any,
    ) -> None:
        self.journal = journal
        told = (str(manifest), str(journal), json.dumps(dict(options)))
        self.process = subprocess.Popen(
            [sys.executable, "-c", _SETTING + code, *told],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environ,
            **started,
        )
        self.pid = self.process.pid

    def says(self) -> Any:
        """The next thing that it tells."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"it ended with {self.process.wait()}"
        return json.loads(line)

    def hear(self, what: str = "") -> None:
        """Have it go on."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()

    def send(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def ended(self) -> int:
        """Its exit status, once it has ended."""
        return self.process.wait(30)

    def close(self) -> None:
        """End it, and the keepers that it had."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with suppress(BrokenPipeError):
                pipe.close()
        for keeper in {event["pid"] for event in events(self.journal, "joined")}:
            if is_keeper(keeper):
                os.kill(keeper, signal.SIGKILL)


def events(journal: Path, *names: str) -> list[dict[str, Any]]:
    """What has happened, of these names."""
    if not journal.exists():
        return []
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    return [event for event in lines if not names or event["event"] in names]


def is_keeper(pid: int) -> bool:
    """Whether a process is there, and is a keeper."""
    with suppress(OSError):
        return "mlsecrets._keeper" in Path(f"/proc/{pid}/cmdline").read_text()
    return False


def eventually(what: Any, seconds: float = 30.0) -> Any:
    """What a function returns, once it is true; or what it returned last."""
    until = time.monotonic() + seconds
    while not (found := what()) and time.monotonic() < until:
        threading.Event().wait(0.02)
    return found


class Thief:
    """A copy of a trainer's credentials, in use outside of it."""

    def __init__(self, stack: DevStack, copied: list[str]) -> None:
        key, secret, token = copied
        self.client = boto3.client(
            "s3",
            endpoint_url=stack.store.address,
            region_name="us-east-1",
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=Config(retries={"total_max_attempts": 1}),
        )

    def refused(self) -> str | None:
        """The store's word for why it refuses, None while it serves."""
        try:
            self.client.list_objects_v2(Bucket="datasets", Prefix="digits/")
        except ClientError as error:
            return str(error.response["Error"]["Code"])
        return None
