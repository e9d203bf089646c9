"""What a run showed: for people as text, for programs as JSON."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from .records import NEEDS, Failure
from .samples import Sample, highest, slope
from .scene import TTL
from .soak import Run
from .verdict import Promise, classed, growth, recoveries, unexplained

#: Seconds from which on a run says something about memory: the journal keeps its last
#: 1000 events, and until it is full that is growth (0.8 MiB, in five minutes).
LONG_ENOUGH = 590.0
#: KiB by which the memory may grow after the warm-up, twice what it does (measured: 2.8
#: MiB, of which 1.8 in the first outages).
RSS_LIMIT = 6 * 1024.0
#: KiB a minute by which it may grow once a quarter is over (measured: 110). Of the 90
#: generations a minute each has a page of 4 KiB: if those stayed, it would be 360.
SLOPE_LIMIT = 256.0
#: Seconds for which a read may be blocked: ten past the end of its lease, a call that
#: is under way then, and the read itself.
LONGEST_READ = 20.0
#: Seconds from the end of an outage to the next success of a lease that it outlasted:
#: the longest pause between two tries, and one that failed on the way.
LONGEST_RECOVERY = 45.0


def report(run: Run) -> dict[str, Any]:
    """All of it, as JSON has it."""
    before, after = run.before, run.after
    assert before is not None
    assert after is not None
    failed = classed(run.records.failures, run.outages, run.events, TTL)
    back = recoveries(run.outages, run.events, TTL)
    warm = [s for s in run.samples if s.at >= run.warm]
    promises = _promises(run, failed.others, back)
    return {
        "seed": run.seed,
        "seconds": round(run.ended - run.started, 1),
        "faulted_seconds": round(sum(o.seconds for o in run.outages), 1),
        "outages": dict(Counter(o.fault for o in run.outages)),
        "long_outages": [
            {**asdict(o), "start": o.start - run.started, "end": o.end - run.started}
            for o in run.outages
            if o.seconds > TTL
        ],
        "revocations": dict(Counter(r.what for r in run.revocations)),
        "rotations": _rotations(run),
        "reads": _reads(run),
        "failed_inside": _failures(run, failed.excused),
        "failed_outside": _failures(run, failed.others),
        "recoveries": [
            (scope, round(outage.seconds, 1), took and round(took, 1))
            for scope, outage, took in back
        ],
        "slowest": _slowest(run),
        "calls": dict(sorted(run.calls.items())),
        "events": dict(Counter(event["event"] for event in run.events)),
        "workers": run.workers,
        "threads": run.threads,
        "size": {
            "start": _size(before),
            "end": _size(after),
            "highest": _size(highest(warm)),
            "rss_kib_a_minute": round(slope(_late(run)), 1),
            "rss_kib_by_minute": _by_minute(run.samples, run.started),
        },
        "accidents": run.records.accidents,
        "promises": [asdict(promise) for promise in promises],
        "kept": all(promise.kept for promise in promises),
    }


def _late(run: Run) -> list[Sample]:
    """What was seen after a quarter of the time."""
    return [s for s in run.samples if s.at >= run.warm + (run.ended - run.warm) / 4]


def _promises(
    run: Run, others: list[Failure], back: list[tuple[str, Any, float | None]]
) -> list[Promise]:
    assert run.before is not None
    assert run.after is not None
    valid = [f for f in run.records.failures if f.ours and f.valid]
    dead = unexplained(run.records.refusals, run.revocations, TTL)
    slowest = max((t.slowest for t in run.records.tallies), default=0.0)
    took = [float("inf") if seconds is None else seconds for _, _, seconds in back]
    idle = [kind for kind, reads in _reads(run).items() if not reads]
    still = [s for s, counts in _rotations(run).items() if not sum(counts.values())]
    long_enough = run.ended - run.started >= LONG_ENOUGH
    return [
        Promise("no read failed but in long outages", not others, f"{len(others)} did"),
        Promise("nothing was raised while valid", not valid, f"{len(valid)} were"),
        Promise("no dead credential was given out", not dead, f"{len(dead)} were"),
        Promise(
            f"no read was blocked for over {LONGEST_READ:.0f} s",
            slowest <= LONGEST_READ,
            f"{slowest:.1f} s",
        ),
        Promise(
            f"back within {LONGEST_RECOVERY:.0f} s after each long outage",
            max(took, default=0.0) <= LONGEST_RECOVERY,
            f"{max(took, default=0.0):.1f} s at most",
        ),
        Promise(
            "no kind of reader idle, no lease still",
            not idle + still,
            f"{idle + still}",
        ),
        Promise("no accident", not run.records.accidents, f"{run.records.accidents}"),
        *growth(
            run.before,
            run.after,
            slope=slope(_late(run)),
            limits=(RSS_LIMIT, SLOPE_LIMIT) if long_enough else None,
        ),
        *run.endings,
    ]


def _rotations(run: Run) -> dict[str, dict[str, int]]:
    return {
        scope: {
            name: sum(e["scope"] == scope and e["event"] == name for e in run.events)
            for name in ("renewed", "replaced")
        }
        for scope in (*NEEDS, "login:bao")
    }


def _reads(run: Run) -> dict[str, int]:
    reads: Counter[str] = Counter()
    for tally in run.records.tallies:
        where = "workers" if tally.reader.startswith("worker") else "threads"
        reads[f"{where} {tally.kind} {tally.scope}"] += tally.reads
    return dict(sorted(reads.items()))


def _slowest(run: Run) -> list[dict[str, Any]]:
    tallies = sorted(run.records.tallies, key=lambda t: -t.slowest)[:5]
    return [
        {
            "reader": t.reader,
            "scope": t.scope,
            "seconds": round(t.slowest, 2),
            "at": round(t.slowest_at - run.started, 1),
        }
        for t in tallies
    ]


def _failures(run: Run, failures: Iterable[Failure]) -> dict[str, Any]:
    listed = list(failures)
    return {
        "count": len(listed),
        "by": dict(Counter(f"{f.scope} {f.error}" for f in listed)),
        "first": [
            {
                **asdict(f),
                "started": round(f.started - run.started, 2),
                "ended": round(f.ended - run.started, 2),
            }
            for f in listed[:20]
        ],
    }


def _by_minute(samples: list[Sample], started: float) -> list[int]:
    minutes: dict[int, list[float]] = {}
    for sample in samples:
        minutes.setdefault(int((sample.at - started) // 60), []).append(sample.rss)
    return [round(statistics.median(rss)) for _, rss in sorted(minutes.items())]


def _size(sample: Sample) -> dict[str, float]:
    return {
        "threads": sample.threads,
        "descriptors": sample.descriptors,
        "rss_kib": round(sample.rss),
    }
