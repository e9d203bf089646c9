"""Reading over and over, and writing down what becomes of it."""

from __future__ import annotations

import threading

from mlsecrets.errors import MLSecretsError

from .reads import Read, Refused
from .records import Failure, Notebook, Refusal, Tally, now

#: Seconds between two reads of one reader.
PACE = (0.05, 0.15)
#: Seconds after a failed one: during a long outage they fail at once.
AFTER_A_FAILURE = 0.25
#: Seconds between two tallies in the notebook.
TALLY_EVERY = 2.0


class Reader:
    """One reader.

    Args:
        name: its own.
        read: what it does again and again.
        notebook: where it writes what happens.
    """

    def __init__(self, name: str, read: Read, notebook: Notebook) -> None:
        self._name = name
        self._read = read
        self._notebook = notebook
        self._tally = Tally(name, read.kind, read.lease.scope)
        self._told_at = now()

    def once(self) -> bool:
        """One read; whether it succeeded."""
        tally, started = self._tally, now()
        before, failed = self._read.at_hand(), False
        try:
            self._with_retries()
        except Exception as error:
            failed, ended = True, now()
            valid = before is not None and before.terms.dies_at > ended
            self._notebook.write(self._failure(error, started, ended, valid=valid))
        ended = now()
        tally.reads += 1
        if ended - started > tally.slowest:
            tally.slowest, tally.slowest_at = ended - started, started
        if ended > self._told_at + TALLY_EVERY:
            self._told_at = ended
            self.tell()
        return not failed

    def tell(self) -> None:
        """Write down how much it has read so far."""
        self._notebook.write(self._tally)

    def _with_retries(self) -> None:
        read = self._read
        for left in reversed(range(read.tries)):
            before = read.at_hand()
            try:
                read.once()
            except Refused:
                scope = read.lease.scope
                self._notebook.write(Refusal(scope, self._name, now()))
                if not left:
                    raise
                if not read.retries_itself:
                    read.lease.reject(read.signed_by(before))
            else:
                return

    def _failure(
        self, error: Exception, started: float, ended: float, *, valid: bool
    ) -> Failure:
        return Failure(
            reader=self._name,
            scope=self._read.lease.scope,
            error=type(error).__name__,
            message=" / ".join(_chain(error))[:400],
            ours=isinstance(error, MLSecretsError),
            valid=valid,
            started=started,
            ended=ended,
        )


class ReadingThread(threading.Thread):
    """A reader on a thread of the process that owns the leases."""

    def __init__(self, name: str, read: Read, notebook: Notebook) -> None:
        super().__init__(name=f"reader-{name}", daemon=True)
        self._reader = Reader(name, read, notebook)
        self._pause = read.random.uniform
        self._told = threading.Event()

    def run(self) -> None:
        """Read until told to stop."""
        try:
            while not self._told.wait(self._pause(*PACE)):
                if not self._reader.once():
                    self._told.wait(AFTER_A_FAILURE)
        finally:
            self._reader.tell()

    def stop(self) -> None:
        """Have it end after the present read."""
        self._told.set()


def _chain(error: BaseException | None) -> list[str]:
    """An error and what led to it, one line each."""
    lines: list[str] = []
    while error is not None and len(lines) < 4:
        lines.append(f"{type(error).__name__}: {error}")
        error = error.__cause__
    return lines
