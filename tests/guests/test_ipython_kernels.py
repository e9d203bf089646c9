"""However a kernel ends, what it leased ends with it: the store is asked."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from mlsecrets.devstack import DevStack
from tests.keeper.trainer import Thief, eventually

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:jupyter_client")

SECONDS = 60  # for a kernel's start on a busy machine

HOLD = """
%load_ext mlsecrets_ipython
data = %lease train-data
"""
#: What a thief would have, told to the test alone.
TELL = """
import json
kept = data.snapshot().credentials
fields = [kept.reveal(name) for name in ("secret_access_key", "session_token")]
with open({path!r}, "w") as file:
    json.dump([kept.public["access_key_id"], *fields], file)
del kept, fields
"""

#: Each way for a kernel to end, and whether its own last word is still heard.
ENDS: dict[str, Callable[[KernelManager], Any]] = {
    "restart": lambda kernel: kernel.restart_kernel(),
    "shutdown": lambda kernel: kernel.shutdown_kernel(),
    "shutdown now": lambda kernel: kernel.shutdown_kernel(now=True),
    "SIGKILL": lambda kernel: os.kill(pid(kernel), signal.SIGKILL),
    "SIGTERM": lambda kernel: os.kill(pid(kernel), signal.SIGTERM),
}
ORDERLY = ("restart", "shutdown")


def pid(kernel: KernelManager) -> int:
    return kernel.provisioner.pid  # type: ignore[union-attr]


@contextmanager
def running() -> Iterator[KernelManager]:
    kernel = KernelManager()
    kernel.start_kernel()
    try:
        yield kernel
    finally:
        kernel.shutdown_kernel(now=True)
        kernel.cleanup_resources()


@contextmanager
def connected(kernel: KernelManager) -> Iterator[BlockingKernelClient]:
    client = kernel.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=SECONDS)
        yield client
    finally:
        client.stop_channels()


def run(client: BlockingKernelClient, cell: str) -> list[dict[str, Any]]:
    """Run a cell that has to succeed; what it displayed."""
    shown: list[dict[str, Any]] = []
    reply = client.execute_interactive(cell, timeout=SECONDS, output_hook=shown.append)
    assert reply["content"]["status"] == "ok", reply["content"]
    return [m["content"] for m in shown if m["msg_type"] == "display_data"]


def test_what_a_kernel_leased_ends_with_it(
    mlsecrets_stack: DevStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Revoked at once, not expired; an orderly end is also seen on the badge."""
    monkeypatch.setenv("MLSECRETS_CONFIG", str(mlsecrets_stack.manifest_path))
    with ExitStack() as stack:
        kernels = {end: stack.enter_context(running()) for end in ENDS}
        clients = {
            end: stack.enter_context(connected(kernel))
            for end, kernel in kernels.items()
        }
        for end, kernel in kernels.items():
            told = tmp_path / end
            (badge,) = run(clients[end], HOLD)
            assert ": open until" in badge["data"]["text/plain"]
            run(clients[end], TELL.format(path=str(told)))
            thief = Thief(mlsecrets_stack, json.loads(told.read_text()))
            assert thief.refused() is None
            ENDS[end](kernel)
            # Not InvalidAccessKeyId, which is what it says of one that has expired.
            assert eventually(thief.refused) == "AccessDenied", end
            if end in ORDERLY:
                last = last_update(clients[end], badge["transient"]["display_id"])
                assert ": ended at" in last["data"]["text/plain"]
                assert "revoked" in last["data"]["text/plain"]
        # A restarted kernel is a new one: it holds nothing, and can lease again.
        with connected(kernels["restart"]) as client:
            (badge,) = run(client, HOLD)
            assert "open until" in badge["data"]["text/plain"]


def last_update(client: BlockingKernelClient, display: str) -> dict[str, Any]:
    """The last thing that was shown in a display."""
    found: dict[str, Any] = {}
    while True:
        try:
            message = client.get_iopub_msg(timeout=1)
        except Empty:
            return found
        content = message["content"]
        if message["msg_type"] == "update_display_data" and (
            content["transient"]["display_id"] == display
        ):
            found = content
