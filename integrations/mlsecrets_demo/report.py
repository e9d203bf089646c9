"""From what was seen to figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from . import audit, journal
from .plan import OWN_TOKEN
from .promises import promises
from .run import Findings


def build(findings: Findings) -> dict[str, Any]:
    """The whole report, as JSON has it."""
    figures = {
        "settings": {
            "ttl": findings.settings.ttl,
            "seconds": findings.settings.seconds,
        },
        "wall_seconds": findings.walls,
        "training": {
            key: value for key, value in findings.training.items() if key != "say"
        },
        "scopes": scopes(findings.journal),
        "reads": reads(findings.reads, findings.store),
        "issuer_calls": issuer_calls(findings),
        "prefix": findings.prefix,
        "old_credentials": [asdict(found) for found in findings.old],
        "ended": {scope: report["ended"] for scope, report in findings.reports.items()},
        "memory": memory(findings.reports),
        "control": asdict(findings.control) if findings.control else None,
    }
    kept = promises(figures, findings.settings)
    return {
        "ok": all(promise.kept for promise in kept),
        **figures,
        "promises": [asdict(promise) for promise in kept],
    }


def scopes(lines: Iterable[journal.Line]) -> dict[str, dict[str, int]]:
    """What happened to each scope, from the journal."""
    names = {
        "issued": "issued",
        "renewed": "renewed",
        "replaced": "replaced",
        "failed_renewals": "renewal_failed",
        "rejected": "rejected",
        "revoked": "revoked",
    }
    return {
        scope: {name: happened[event] for name, event in names.items()}
        for scope, happened in journal.counts(lines).items()
        if scope != OWN_TOKEN
    }


def reads(lines: Iterable[journal.Line], store: audit.StoreCounts) -> dict[str, Any]:
    """Reads, as the workers counted them and as the store did."""
    all_lines = list(lines)
    took = sorted(line["ms"] for line in all_lines if line["ok"])
    of_data = {code: 0 for _, code, _ in store}
    for (_, code, bucket), count in store.items():
        of_data[code] += count if bucket == "datasets" else 0
    return {
        "ok": len(took),
        "failed": len(all_lines) - len(took),
        "errors": sorted({line["error"] for line in all_lines if not line["ok"]}),
        "workers": len({line["pid"] for line in all_lines}),
        "median_ms": took[len(took) // 2] if took else None,
        "slowest_ms": took[-1] if took else None,
        "store_requests": sum(of_data.values()),
        # 404 is the revoker's, who looks for a policy where there is none yet. A shard
        # that is not there would be among the workers' failed reads.
        "store_errors": sum(
            count
            for code, count in of_data.items()
            if not code.startswith("2") and code != "404"
        ),
        # In the store's metrics, a request that was refused belongs to no bucket.
        "store_refused": sum(
            count
            for (_, code, bucket), count in store.items()
            if bucket == "" and code.startswith("4")
        ),
        # s3fs looks at the bucket before each: a request that no lease covers.
        "checkpoints_written": store.get(("PUT", "200", "checkpoints"), 0),
    }


def issuer_calls(findings: Findings) -> dict[str, Any]:
    """Calls as the caller counted them, and as those did who were called."""
    asked = findings.asked
    assert asked is not None  # noqa: S101  (run sets it, or raises)
    compared = audit.compare(findings.journal, asked)
    attached = {
        line["worker"] for line in findings.journal if line["event"] == "attached"
    }
    return {
        "compared": [asdict(row) for row in compared],
        "openbao_paths": dict(sorted(asked.paths.items())),
        "openbao_refused": asked.refused,
        "logins_made": compared[0].journal,
        "logins_seen": asked.clients,
        "workers_attached": len(attached),
        # Whoever makes a call has to log in first, and each call of the owner's is in
        # its journal: what is left over would be the workers'.
        "by_workers": sum(row.engine - row.journal for row in compared),
        "journal_pids": sorted({line["pid"] for line in findings.journal}),
        "trainer_pid": findings.trainer_pid,
    }


def memory(reports: Mapping[str, Any]) -> dict[str, Any]:
    """Who was shown what of each scope in the training process, and what was left."""
    return {scope: report["shred"] for scope, report in reports.items()}
