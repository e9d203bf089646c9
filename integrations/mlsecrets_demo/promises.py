"""What the demo promises, and whether the figures of this run keep it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .plan import OWN_TOKEN, SCOPES
from .proof import ACCEPTED, DENIED
from .run import Settings

#: Replacements of each scope's credentials that a run of default length must show.
REPLACEMENTS = 6
ACCURACY = 0.95


@dataclass(frozen=True)
class Promise:
    """What the demo says of itself, and whether it is so."""

    text: str
    kept: bool
    detail: str


def wanted_replacements(settings: Settings) -> int:
    """Fewer for a run that is shorter than the default."""
    return min(REPLACEMENTS, max(1, int(settings.seconds / settings.ttl) - 1))


def promises(figures: Mapping[str, Any], settings: Settings) -> list[Promise]:
    """What must hold, each with the figure that shows it."""
    kept = [
        _reads(figures["reads"]),
        _replaced(figures["scopes"], wanted_replacements(settings)),
        _accuracy(figures["training"].get("accuracy", 0.0)),
        _counted(figures),
        _workers(figures),
        _outside(figures["prefix"]),
        _old(figures["old_credentials"], figures["ended"]),
        _memory(figures["memory"]),
    ]
    control = figures["control"]
    return kept if control is None else [*kept, _control(control)]


def _reads(read: Mapping[str, Any]) -> Promise:
    return Promise(
        "no read failed",
        read["ok"] > 0
        and read["failed"] == read["store_errors"] == 0
        and read["store_refused"] <= read["checkpoints_written"],
        f"{read['ok']} reads, {read['failed']} failed; {read['store_requests']} "
        f"requests at the store, {read['store_errors']} with an error",
    )


def _replaced(scopes: Mapping[str, Mapping[str, int]], least: int) -> Promise:
    replaced = {scope: scopes.get(scope, {}).get("replaced", 0) for scope in SCOPES}
    return Promise(
        f"credentials replaced at least {least} times per scope",
        min(replaced.values()) >= least,
        ", ".join(f"{scope} {count}" for scope, count in replaced.items()),
    )


def _accuracy(accuracy: float) -> Promise:
    text = f"test accuracy above {ACCURACY:.0%}"
    return Promise(text, accuracy > ACCURACY, f"{accuracy:.2%}")


def _failures(figures: Mapping[str, Any]) -> int:
    """Calls that failed on our side; the other may have heard them."""
    return sum(counts["failed_renewals"] for counts in figures["scopes"].values())


def _counted(figures: Mapping[str, Any]) -> Promise:
    unequal = [
        row["call"]
        for row in figures["issuer_calls"]["compared"]
        if not 0 <= row["engine"] - row["journal"] <= _failures(figures)
    ]
    return Promise(
        "the journal agrees with the engines' logs",
        not unequal,
        f"differs: {', '.join(unequal)}" if unequal else "every kind of call",
    )


def _workers(figures: Mapping[str, Any]) -> Promise:
    calls = figures["issuer_calls"]
    return Promise(
        "workers made no issuer call",
        calls["logins_seen"] == calls["logins_made"]
        and calls["by_workers"] <= _failures(figures)
        and calls["journal_pids"] == [calls["trainer_pid"]],
        f"{calls['workers_attached']} workers attached; the logins seen are the "
        f"training process's own ({calls['logins_made']})",
    )


def _outside(tried: Sequence[Mapping[str, str]]) -> Promise:
    return Promise(
        "outside its access a lease is refused by the store",
        bool(tried) and all(one["answer"].startswith(DENIED) for one in tried),
        "; ".join(one["what"] for one in tried),
    )


def _old(old: Sequence[Mapping[str, Any]], ended: Mapping[str, Any]) -> Promise:
    worked = [found for found in old if found["before"] == ACCEPTED]
    refused = [found for found in old if found["refused_after"] is not None]
    revoked = [found for found in refused if found["how"] == "revoked"]
    as_said = [found for found in refused if _as_said(found, ended)]
    return Promise(
        "the old credentials worked before, and are refused as the exit report says",
        len(old) == len(SCOPES) + 1
        and len(old) == len(worked) == len(refused) == len(as_said),
        f"{len(worked)} worked, {len(refused)} are refused, {len(revoked)} of these "
        "revoked before their end",
    )


def _as_said(found: Mapping[str, Any], ended: Mapping[str, Any]) -> bool:
    """Whether an old credential ended in the way that the job's exit report states."""
    if found["scope"] == OWN_TOKEN:
        return bool(found["how"] == "revoked")
    stated = [
        end
        for end in ended.get(found["scope"], [])
        if end["generation"] == found["generation"]
    ]
    if found["how"] == "revoked":
        return [end["fate"] for end in stated] == ["revoked"]
    # It may have been revoked in the last second of its life, unseen by us (the report
    # says up to two more); or be over for so long that the report has nothing on it.
    return all(end["fate"] != "revoked" or end["seconds_left"] < 3 for end in stated)


def _memory(memory: Mapping[str, Any]) -> Promise:
    swept = {
        scope: shred["sweep"]["left"] if shred["not_swept"] is None else None
        for scope, shred in memory.items()
    }
    return Promise(
        "no copy and no fragment of a secret is left in the training process",
        set(swept) == set(SCOPES) and set(swept.values()) == {0},
        ", ".join(
            f"{scope}: {'not swept' if left is None else f'{left} left'}"
            for scope, left in swept.items()
        ),
    )


def _control(control: Mapping[str, Any]) -> Promise:
    return Promise(
        "static credentials fail in the same script",
        control["failed"],
        f"after {control['after']:g} s: {control['error']}",
    )
