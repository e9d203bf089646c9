"""The report for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def text(report: Mapping[str, Any]) -> str:
    """Plain lines, none of them wide."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Mapping[str, Any]) -> Iterator[str]:
    share = report["faulted_seconds"] / report["seconds"]
    yield f"seed {report['seed']}: {report['seconds']:.0f} s, {share:.0%} of it faulted"
    yield _counts("outages", report["outages"])
    for outage in report["long_outages"]:
        yield (
            f"  longer than the lease: {'+'.join(outage['issuers'])} "
            f"{outage['fault']} from {outage['start']:.1f} s to {outage['end']:.1f} s"
        )
    yield _counts("ended early by an administrator", report["revocations"])
    yield "rotations"
    for scope, counts in report["rotations"].items():
        yield f"  {scope}: renewed {counts['renewed']}, replaced {counts['replaced']}"
    yield f"reads: {sum(report['reads'].values())}"
    for kind, count in report["reads"].items():
        yield f"  {count:7} {kind}"
    yield from _failed("failed reads", report["failed_outside"])
    yield from _failed("failed reads in long outages", report["failed_inside"])
    for scope, lasted, took in report["recoveries"]:
        back = "never" if took is None else f"after {took:.1f} s"
        yield f"  {scope}: back {back} from an outage of {lasted:.1f} s"
    for slow in report["slowest"][:3]:
        yield (
            f"  longest read: {slow['seconds']:.1f} s by {slow['reader']} "
            f"at {slow['at']:.1f} s"
        )
    yield f"issuer calls: {sum(report['calls'].values())}"
    for call, count in report["calls"].items():
        yield f"  {count:7} {call}"
    yield _counts("events", report["events"])
    yield "the owner"
    for when in ("start", "highest", "end"):
        size = report["size"][when]
        yield (
            f"  {when:8} {size['threads']:.0f} threads, "
            f"{size['descriptors']:.0f} descriptors, {size['rss_kib'] / 1024:.1f} MiB"
        )
    yield f"  slope    {report['size']['rss_kib_a_minute']:+.1f} KiB/min"
    by_minute = (f"{rss / 1024:.1f}" for rss in report["size"]["rss_kib_by_minute"])
    yield f"  MiB by minute: {' '.join(by_minute)}"
    yield f"  threads at the end: {', '.join(report['threads'])}"
    yield f"workers: {report['workers']}"
    yield "promises"
    for promise in report["promises"]:
        mark = "kept  " if promise["kept"] else "BROKEN"
        yield f"  {mark} {promise['text']} ({promise['detail']})"


def _counts(what: str, counts: Mapping[str, int]) -> str:
    listed = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    return f"{what}: {sum(counts.values())} ({listed})"


def _failed(what: str, failed: Mapping[str, Any]) -> Iterator[str]:
    yield f"{what}: {failed['count']}"
    for kind, count in failed["by"].items():
        yield f"  {count:7} {kind}"
