"""The leases of this moment, once and again each second, on real terminals."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import Result

from mlsecrets import configure, lease
from mlsecrets.cli._sources import OfOwners
from mlsecrets.clock import SYSTEM_CLOCK
from mlsecrets.devstack import DevStack
from mlsecrets.events import Event, Journal

Run = Callable[..., Result]
Spawn = Callable[..., "subprocess.Popen[str]"]

TOP = ("-m", "mlsecrets", "top")
PATIENCE = 30.0
SCREEN = {"TERM": "xterm-256color", "COLUMNS": "160", "LINES": "30"}
TIME = r"\d\d:\d\d:\d\d"
#: Leases, and says where it listens.
JOB = """
import os, sys
from mlsecrets import configure, lease
configure(sys.argv[1], journal=sys.argv[2], peers=sys.argv[3])
with lease("train-data"):
    print(os.environ["MLSECRETS_SOCK"], flush=True)
    sys.stdin.readline()
"""


def elsewhere(**more: str) -> dict[str, str]:
    """The environment of a terminal that no job has started."""
    env = {name: v for name, v in os.environ.items() if name != "MLSECRETS_SOCK"}
    return {**env, **more}


def once(*options: str | Path, env: dict[str, str]) -> tuple[list[list[str]], str, int]:
    """The cells of its table, what it says besides, and its status."""
    done = subprocess.run(
        [sys.executable, *TOP, *map(str, options)],
        env=env,
        capture_output=True,
        check=False,
        text=True,
        timeout=PATIENCE,
    )
    rows = [re.split(r"  +", line.strip()) for line in done.stdout.splitlines()]
    return rows, done.stderr, done.returncode


def of(pid: int, rows: list[list[str]]) -> list[list[str]]:
    return [row for row in rows if str(pid) in row[1:2]]


class Terminal:
    """A terminal of our own, and `mlsecrets top` on it."""

    def __init__(self, spawn_env: dict[str, str], *options: str | Path) -> None:
        self.ours, self._theirs = os.openpty()
        self.before = termios.tcgetattr(self._theirs)
        self.shown = ""
        self.process = subprocess.Popen(
            [sys.executable, *TOP, *map(str, options)],
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
            start_new_session=True,
            env={**spawn_env, **SCREEN},
        )

    def until(self, pattern: str) -> re.Match[str]:
        """Read until it is on the screen, anew since the last call."""
        while not (found := re.search(pattern, self.shown)):
            self.shown += os.read(self.ours, 1 << 16).decode()
        self.shown = self.shown[found.end() :]
        return found

    def left(self) -> int:
        """How it ends; the terminal is as it was before."""
        self.until(re.escape("\x1b[?1049l"))  # the usual screen is back
        status = self.process.wait(PATIENCE)
        assert termios.tcgetattr(self._theirs) == self.before
        return status

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.ours)
        os.close(self._theirs)


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    """Makes terminals that are closed after the test."""
    made: list[Terminal] = []

    def make(env: dict[str, str], *options: str | Path) -> Terminal:
        made.append(Terminal(env, *options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_any_terminal_shows_the_leases_of_this_machine(
    mlsecrets_stack: DevStack, keeps_secrets: Callable[[str], None]
) -> None:
    """Whether the program owns them or a keeper; without a terminal, once."""
    configure(mlsecrets_stack.manifest_path)
    with lease("train-data", "mlflow") as creds:
        creds["train-data"].reject(1)
        rows, errors, status = once(env=elsewhere())
    assert rows[0] == [
        *("scope", "process", "state", "left", "generation", "renewals"),
        *("readers", "last error"),
    ]
    ours = of(os.getpid(), rows)
    assert [row[0] for row in ours] == ["mlflow", "train-data"]
    assert ours[1][2] == "open"
    assert re.fullmatch(r"\d+(\.\d)? s", ours[1][3])
    assert ours[1][4:] == ["2", "1", "-", "-"]
    assert status == 0
    keeps_secrets(str(rows) + errors)

    configure(mlsecrets_stack.manifest_path, keeper="process")
    with lease("mlflow"):
        inside, _, _ = once("--once", env=dict(os.environ))
        rows, _, _ = once("--once", env=elsewhere())
    [row] = inside[1:]  # a job's process sees that of its job alone
    assert (row[0], row[6]) == ("mlflow", "1 member(s)")
    assert of(int(row[1]), rows)


def test_a_terminal_shows_each_change_until_q(
    mlsecrets_stack: DevStack, terminal: Callable[..., Terminal]
) -> None:
    """Time goes by, generations change; then it is as if nothing had been there."""
    configure(mlsecrets_stack.manifest_path)
    with lease("train-data") as data:
        shown = terminal(dict(os.environ))
        shown.until(rf"1 lease\(s\) of 1 process\(es\) at {TIME}   q: leave")
        shown.until(rf"train-data +{os.getpid()} +open +\d+(\.\d)? s +1 +0 ")
        data.reject(1)
        shown.until(rf"train-data +{os.getpid()} +open +\d+(\.\d)? s +2 +1 ")
        os.write(shown.ours, b"xq")
        assert shown.left() == 0


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)]
)
def test_a_journal_is_followed_until_a_signal(
    terminal: Callable[..., Terminal],
    tmp_path: Path,
    number: signal.Signals,
    status: int,
) -> None:
    """It may not be there yet; what ends is no longer shown."""
    path = tmp_path / "journal.jsonl"
    shown = terminal(elsewhere(), "--journal", path)
    shown.until("journal.jsonl is not there yet")
    now = SYSTEM_CLOCK.wall()
    terms = {"generation": 1, "expires_at": now + 600}
    journal = Journal(path)
    journal.record(Event("issued", "train-data", now, 22, terms))
    failure = {"error": "IssuerSealed"}
    journal.record(Event("renewal_failed", "train-data", now, 22, failure))
    shown.until(r"train-data +22 +open +10 min +1 +0 +- +1 failed \(IssuerSealed\)")
    journal.record(Event("shredded", "train-data", now, 22))
    journal.close()
    shown.until(r"0 lease\(s\)")
    shown.process.send_signal(number)
    assert shown.left() == status


def test_owners_that_do_not_answer_are_told(
    spawn: Spawn, mlsecrets_stack: DevStack, tmp_path: Path
) -> None:
    """One that is stopped; and one that lets only its descendants ask, but once."""
    owners = []
    for number, peers in enumerate(("user", "descendants")):
        journal = tmp_path / f"{number}.jsonl"
        options = (mlsecrets_stack.manifest_path, journal, peers)
        job = spawn("-c", JOB, *options, env=elsewhere())
        assert job.stdout is not None
        owners.append((job, Path(job.stdout.readline().strip()), journal))
    (stopped, its_socket, _), (closed, other_socket, journal) = owners
    stopped.send_signal(signal.SIGSTOP)
    try:
        source = OfOwners(None)
        for _ in range(2):
            sight = source.look()
            told = "\n".join(sight.notes)
            assert f"does not answer at {its_socket}" in told or (
                f"broke off at {its_socket}" in told
            )
            assert "refuses this process: " in told
            assert str(other_socket) in told
            pids = {line.pid for line in sight.leases}
            assert not pids & {stopped.pid, closed.pid}
    finally:
        stopped.send_signal(signal.SIGCONT)
    events = [json.loads(line)["event"] for line in journal.read_text().splitlines()]
    assert events.count("refused") == 1
    assert {line.pid for line in source.look().leases} >= {stopped.pid}


def test_what_cannot_be_seen_at_all_is_an_error(run: Run, tmp_path: Path) -> None:
    """A script that looks has to know."""
    shown = run("top", "--once", "--journal", "none.jsonl")
    assert (shown.exit_code, shown.stdout) == (1, "no lease\n")
    assert "none.jsonl is not there yet" in shown.stderr
    shown = run("top", "--journal", tmp_path)
    assert shown.exit_code == 1
    assert "cannot be read: is a directory" in shown.stderr
