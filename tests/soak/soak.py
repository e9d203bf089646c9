"""One run: warm-up, faults, a quiet end; and what was seen of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import ending
from .administrator import Administrator
from .owning import Owner
from .records import NEEDS, Outage, Records, Revocation, json_lines, now, read_notebooks
from .samples import Sample, Sampler, typical
from .scene import Scene
from .trouble import Trouble
from .verdict import SUCCESS, Promise

#: Seconds without faults at the start, in which clients load models and fill caches,
#: and at the end, after every lease has recovered; in short runs a sixth of them.
WARM_UP = 20.0
QUIET = 6.0
#: Seconds for that: the longest pause between two tries, and a try.
RECOVERY = 40.0
#: Seconds of samples that make a figure of a quiet moment.
MOMENT = 4.0


@dataclass
class Run:
    """Everything that was seen of one run.

    Attributes:
        seed: of its faults.
        started: when the leases were there.
        ended: when the readers were told to stop.
        warm: when the warm-up was over.
        outages: what was wrong, and when.
        revocations: what was ended early.
        events: the owner's journal, with instants of the monotonic clock.
        records: what the readers wrote down.
        samples: of the owner's size.
        before: its size in a quiet moment after the warm-up.
        after: its size in a quiet moment at the end.
        calls: how often each issuer was asked for what, as the proxies saw it.
        workers: how many worker processes there were.
        threads: the names of those that the owner had just before the end.
        endings: the promises of the end.
    """

    seed: int
    started: float = 0.0
    ended: float = 0.0
    warm: float = 0.0
    outages: list[Outage] = field(default_factory=list)
    revocations: list[Revocation] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    records: Records = field(default_factory=Records)
    samples: list[Sample] = field(default_factory=list)
    before: Sample | None = None
    after: Sample | None = None
    calls: Counter[str] = field(default_factory=Counter)
    workers: int = 0
    threads: list[str] = field(default_factory=list)
    endings: list[Promise] = field(default_factory=list)


def run(seconds: float, seed: int, folder: Path) -> Run:
    """Soak for so many seconds, warm-up and quiet included.

    Args:
        seconds: from when the leases are there to when the readers stop; a little more
            if a lease takes its time to recover.
        seed: of the faults.
        folder: for what is written.
    """
    seen = Run(seed)
    journal, notebooks = folder / "journal.jsonl", folder / "notebooks"
    notebooks.mkdir()
    with Scene(folder) as scene:
        config = {
            "manifest": str(scene.manifest),
            "journal": str(journal),
            "notebooks": str(notebooks),
            "resource": scene.resource.address,
            "seed": seed,
            "epoch": min(30.0, seconds / 8),
            "log": str(folder / "owner.log"),
        }
        offset = now() - time.time()
        with Owner(config, folder) as owner:
            socket = Path(owner.hear("ready", 60.0)["socket"])
            _soak(seen, scene, owner, journal, seconds)
            owner.go_on()
            stolen = owner.hear("stolen", 120.0)
            seen.workers, seen.threads = stolen["workers"], stolen["threads"]
            seen.endings = ending.end(scene, owner, stolen, journal)
        gone = not socket.exists() and not socket.parent.exists()
        seen.endings.append(Promise("the socket is gone", gone, str(socket)))
        seen.calls = _calls(scene)
        seen.records = read_notebooks(notebooks)
        seen.records.refusals += scene.resource.refusals
        pids = list(scene.stack.processes.values())
    seen.endings.append(ending.alone(pids))
    seen.events = [
        {**event, "at": event["at"] + offset} for event in json_lines(journal)
    ]
    return seen


def _soak(seen: Run, scene: Scene, owner: Owner, journal: Path, seconds: float) -> None:
    sampler = Sampler(owner.process.pid)
    sampler.start()
    seen.started = now()
    until = seen.started + seconds
    warm_up, quiet = min(WARM_UP, seconds / 6), min(QUIET, seconds / 6)
    time.sleep(warm_up)
    seen.warm = now()
    seen.before = _moment(sampler.samples, min(MOMENT, warm_up / 2))
    administrator = Administrator(scene, journal, seen.seed, seconds / 4)
    trouble = Trouble(seen.seed, scene.proxies, until - quiet, administrator.act)
    trouble.start()
    while now() < until - quiet and trouble.is_alive():
        assert owner.process.poll() is None, owner.stderr.read_text()
        trouble.join(1.0)
    trouble.stop()
    _recover(journal)
    time.sleep(quiet)
    seen.after = _moment(sampler.samples, min(MOMENT, quiet / 2))
    seen.ended = now()
    sampler.stop()
    seen.samples = sampler.samples
    seen.outages, seen.revocations = trouble.outages, administrator.done


def _recover(journal: Path) -> None:
    """Wait until every lease has been renewed or replaced since now."""
    deadline, told = now() + RECOVERY, time.time()
    while now() < deadline:
        well = {
            event["scope"]
            for event in json_lines(journal)
            if event["event"] in SUCCESS and event["at"] > told
        }
        if well >= NEEDS.keys():
            return
        time.sleep(0.25)


def _moment(samples: Sequence[Sample], seconds: float) -> Sample:
    at = now()
    return typical([s for s in samples if s.at > at - seconds] or list(samples[-1:]))


def _calls(scene: Scene) -> Counter[str]:
    return Counter(
        f"{name} {method} {path}"
        for name, proxy in scene.proxies.items()
        for method, path in proxy.seen
    )
