"""A process that does what a test says: python -m tests.ranks.rank.

Whoever launched it, it calls the test at the socket that RANKS_CONTROL names.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlsecrets import MLSecretsError, Reference, configure, hand_over, lease

BUCKET = "datasets"


class Reader:
    """Reads an object again and again, and remembers what went wrong.

    Args:
        key: of the object.
        scopes: whose faces it looks at meanwhile, as routes to a store do.
    """

    def __init__(self, key: str, *scopes: str) -> None:
        self.key = key
        self.scopes = scopes
        self.reads = 0
        self.failures: list[str] = []
        self._done = threading.Event()

    def run(self, until: Callable[[], bool]) -> None:
        """Read until that is so."""
        from mlsecrets.storage.boto3 import LeaseBoto3Session

        client = LeaseBoto3Session("train-data").client("s3")
        looking = threading.Thread(target=self._look, args=(until,))
        looking.start()
        while not until():
            try:
                body = client.get_object(Bucket=BUCKET, Key=self.key)["Body"]
                assert body.read()
            except Exception as error:
                self.failures.append(repr(error))
            self.reads += 1
            self._done.wait(0.01)
        looking.join()
        client.close()

    def _look(self, until: Callable[[], bool]) -> None:
        while not until():
            for scope in self.scopes:
                try:
                    Reference(scope).view()
                except MLSecretsError as error:
                    self.failures.append(repr(error))
            self._done.wait(0.001)

    def figures(self) -> dict[str, Any]:
        """What the test wants to know."""
        return {"pid": os.getpid(), "reads": self.reads, "failures": self.failures}


class Rank:
    """Carries out commands, one after the other."""

    def __init__(self) -> None:
        self.block: lease | None = None
        self.reader: Reader | None = None
        self.reading: threading.Thread | None = None
        self.ended = threading.Event()

    def lease(self, *scopes: str, at: float = 0.0) -> None:
        """Enter a block, at an instant of the wall clock."""
        while time.time() < at:
            pass
        self.block = lease(*scopes)
        self.block.__enter__()

    def leave(self) -> None:
        """Leave it."""
        assert self.block is not None
        self.block.__exit__(None, None, None)
        self.block = None

    def hand_over(self) -> list[str]:
        """Give up what only others hold; what nobody took over."""
        return sorted(hand_over())

    def lease_id(self, scope: str) -> str:
        """The issuer's name for what is read now."""
        return Reference(scope).source().snapshot().terms.lease_id

    def reveal(self, scope: str) -> list[str]:
        """What a thief would have."""
        credentials = Reference(scope).source().snapshot().credentials
        return [
            credentials.public["access_key_id"],
            credentials.reveal("secret_access_key"),
            credentials.reveal("session_token"),
        ]

    def read(self, key: str, *scopes: str) -> None:
        """Begin to read, and to look at scopes, on threads."""
        self.ended.clear()
        self.reader = Reader(key, *scopes)
        self.reading = threading.Thread(
            target=self.reader.run, args=(self.ended.is_set,)
        )
        self.reading.start()

    def reads(self) -> int:
        """How often so far."""
        assert self.reader is not None
        return self.reader.reads

    def read_no_more(self) -> dict[str, Any]:
        """Stop; how it went."""
        assert self.reader is not None
        assert self.reading is not None
        self.ended.set()
        self.reading.join()
        return self.reader.figures()

    def fork_worker(self, folder: str, key: str, *scopes: str) -> int:
        """A process without a block, that reads until there is a file `stop`."""
        from mlsecrets.storage import boto3  # noqa: F401  once, not in each of them

        pid = os.fork()
        if pid == 0:
            try:
                work(Path(folder), key, *scopes)
            finally:
                os._exit(0)
        return pid

    def fork_rank(self) -> None:
        """A child of this process, that takes commands as well."""
        if os.fork() == 0:
            try:
                main()
            finally:
                os._exit(0)

    def data_loader(self, key: str, start: str, workers: int) -> dict[str, Any]:
        """An epoch of real workers; who read, and how much."""
        from tests.ranks.loading import epoch

        return epoch(key, start, workers)

    def sum_up(self, value: int) -> int:
        """An all-reduce over gloo: the ranks are a process group, too."""
        import torch

        torch.distributed.init_process_group("gloo")
        total = torch.tensor([value])
        torch.distributed.all_reduce(total)
        torch.distributed.destroy_process_group()
        return int(total.item())


def work(folder: Path, key: str, *scopes: str) -> None:
    """What a worker does; it writes down how it went."""
    reader = Reader(key, *scopes)
    try:
        # The folder goes with the test: nobody reads on without it.
        reader.run(lambda: (folder / "stop").exists() or not folder.exists())
    finally:
        part = folder / f"{os.getpid()}.part"
        part.write_text(json.dumps(reader.figures()))
        part.rename(folder / f"{os.getpid()}.json")


class Failed(Exception):
    """What a rank of a test dies of."""


def main() -> None:
    """Take commands until the test hangs up or says `end`."""
    peers: Any = os.environ.get("RANKS_PEERS", "user")
    configure(peers=peers, sweep="never")
    rank = Rank()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.environ["RANKS_CONTROL"])
        stream = connection.makefile("rw")
        hello = {
            "pid": os.getpid(),
            "parent": os.getppid(),
            "rank": os.environ.get("RANK", ""),
            "restarts": os.environ.get("TORCHELASTIC_RESTART_COUNT", ""),
        }
        stream.write(json.dumps(hello) + "\n")
        stream.flush()
        for line in stream:
            name, arguments, options = json.loads(line)
            if name == "end":
                return
            if name == "fail":
                raise Failed
            answer: dict[str, Any] = {}
            try:
                answer["answer"] = getattr(rank, name)(*arguments, **options)
            except MLSecretsError as error:
                answer["error"] = error.diagnostics()
            except Exception as error:
                answer["error"] = f"{type(error).__name__}: {error}"
            stream.write(json.dumps(answer) + "\n")
            stream.flush()


if __name__ == "__main__":
    try:
        main()
    except Failed:
        sys.exit(3)
