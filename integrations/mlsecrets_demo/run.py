"""The demo from start to end: stack, training, proofs, control."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlsecrets.clock import SYSTEM_CLOCK
from mlsecrets.devstack import DevStack

from . import control, proof
from .audit import Asked, Engines, Mark, StoreCounts, difference
from .journal import Line, read
from .plan import Plan, extended_manifest
from .process import Training, training

Tell = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Settings:
    """What the command line says; durations in seconds."""

    ttl: float = 10.0
    seconds: float = 90.0
    out: Path = Path("demo-out")
    control: bool = True


@dataclass
class Findings:
    """Everything that was seen, before anybody judges it."""

    settings: Settings
    #: Seconds that the parts of the demo took.
    walls: dict[str, float] = field(default_factory=dict)
    trainer_pid: int = 0
    phases: list[dict[str, Any]] = field(default_factory=list)
    training: dict[str, Any] = field(default_factory=dict)
    prefix: list[dict[str, str]] = field(default_factory=list)
    old: list[proof.Found] = field(default_factory=list)
    reports: dict[str, Any] = field(default_factory=dict)
    journal: list[Line] = field(default_factory=list)
    reads: list[Line] = field(default_factory=list)
    asked: Asked | None = None
    #: What the store counted while training and testing.
    store: StoreCounts = field(default_factory=dict)
    control: control.Control | None = None


def run(settings: Settings, tell: Tell) -> Findings:
    """All of it.

    Args:
        settings: how long, and where to write.
        tell: gets the messages of the training process, as they come.

    Raises:
        DevStackError: the stack does not start.
        TrainingFailed: the training process broke off.
    """
    began = SYSTEM_CLOCK.monotonic()
    out = settings.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    findings = Findings(settings)

    def wall(part: str, since: float) -> None:
        findings.walls[part] = round(SYSTEM_CLOCK.monotonic() - since, 1)

    tell({"say": "starting"})
    with DevStack(settings.ttl, mlflow=True, folder=out / "stack") as stack:
        shards = stack.seed_digits()
        wall("stack", began)
        tell({"say": "stack", "seconds": findings.walls["stack"], "shards": shards})
        since = SYSTEM_CLOCK.monotonic()
        _Leased(stack, out, findings, tell).run()
        wall("training and proofs", since)
        if settings.control:
            since = SYSTEM_CLOCK.monotonic()
            tell({"say": "control"})
            # Three lives are enough to see that it fails, whatever `seconds` says.
            longest = 3 * settings.ttl + 20
            findings.control = control.run(stack, out, longest)
            wall("control", since)
    wall("demo", began)
    return findings


class _Leased:
    """The training on leases, and what is to be seen of it from outside."""

    def __init__(
        self, stack: DevStack, out: Path, findings: Findings, tell: Tell
    ) -> None:
        self._stack = stack
        self._out = out
        self._findings = findings
        self._tell = tell
        self._engines = Engines(stack)
        self._taken: list[proof.Taken] = []
        self._watched: list[Future[proof.Found]] = []
        mlflow = stack.mlflow
        assert mlflow is not None  # noqa: S101  (run asked for it)
        self._mlflow = mlflow.address
        reads, events = out / "reads.jsonl", out / "journal.jsonl"
        for former in (reads, events, out / "report.json", out / "lease-timeline.svg"):
            former.unlink(missing_ok=True)
        self._plan = Plan(
            seconds=findings.settings.seconds,
            run_id=f"run-{secrets.token_hex(4)}",
            reads_file=str(reads),
            manifest=str(extended_manifest(stack.manifest_path, stack.openbao.address)),
            journal=str(events),
            tracking_uri=self._mlflow,
        )

    def run(self) -> None:
        findings, mark, stop = self._findings, self._engines.mark(), threading.Event()
        with ThreadPoolExecutor(4) as watchers:
            try:
                with training(self._plan, self._out / "train.log") as process:
                    findings.trainer_pid = process.pid
                    self._listen(process, mark, watchers, stop)
                    process.finish()
                findings.asked = self._engines.since(mark)
                findings.old = [watched.result() for watched in self._watched]
            finally:
                stop.set()
        findings.journal = read(Path(self._plan.journal))
        findings.reads = read(Path(self._plan.reads_file))

    def _listen(
        self,
        process: Training,
        mark: Mark,
        watchers: ThreadPoolExecutor,
        stop: threading.Event,
    ) -> None:
        findings, channel = self._findings, process.channel
        while (message := channel.hear())["say"] != "done":
            said = message["say"]
            if said == "phase":
                findings.phases.append(message)
            elif said == "trained":
                findings.training = message
                after = self._stack.store.metrics()
                findings.store = difference(after, mark.store)
                channel.say("go on")
            elif said == "prefix":
                findings.prefix = message["tried"]
            elif said == "credentials":
                self._taken.append(self._take(process, message))
            elif said == "all handed over":
                self._taken = [held.tried() for held in self._taken]
                channel.say("go on")
            elif said == "leaving":
                self._watched = [
                    watchers.submit(proof.watch, held, message["at"], stop)
                    for held in self._taken
                ]
            if said != "credentials":
                self._tell(message)
        findings.reports = message["reports"]
        self._tell({"say": "watching"})

    def _take(self, process: Training, message: dict[str, Any]) -> proof.Taken:
        return proof.taken(
            message,
            process.channel.receive_raw(message["lengths"]),
            store=self._stack.store.address,
            openbao=self._stack.openbao.address,
            mlflow=self._mlflow,
            run_id=self._plan.run_id,
        )
