"""The order of the examination: each finding can explain the ones after it."""

from __future__ import annotations

from collections.abc import Iterator

from ...clock import Clock
from ...manifest import Manifest
from ._check import Check
from ._here import memory, packages, sweeping
from ._login import login
from ._scopes import leased
from ._servers import issuer, revoker


def examine(manifest: Manifest, *, clock: Clock, job_length: float) -> Iterator[Check]:
    """Everything that a job with this manifest needs, one finding after the other.

    Logs in and leases each scope, and gives all of it back at once.

    Args:
        manifest: of the job.
        clock: reads time.
        job_length: seconds that the job is expected to take.
    """
    found = f"{manifest.name} {manifest.version}, {manifest.path}"
    yield Check("manifest", ok=True, found=found)
    down: dict[str, str] = {}  # issuer, and the check that shows why it cannot issue
    for name, section in manifest.issuers.items():
        checks = list(issuer(name, section, clock))
        yield from checks
        if not checks[0].ok:
            down[name] = checks[0].name
    for name, section in manifest.revokers.items():
        yield revoker(name, section, clock)
    for name, section in manifest.issuers.items():
        if name in down:
            continue
        for check in login(name, section, manifest, clock):
            yield check
            if not check.ok:
                down[name] = check.name
    for name, scope in manifest.scopes.items():
        reason = down.get(scope.issuer) or down.get(_behind(manifest, scope.issuer))
        if reason is None:
            yield from leased(manifest, name, clock=clock, job_length=job_length)
        else:
            remedy = f"see to '{reason}' first"
            yield Check(f"scope {name}", ok=False, found="not tried", remedy=remedy)
    yield memory()
    yield sweeping()
    yield packages(manifest)


def _behind(manifest: Manifest, issuer: str) -> str:
    """The issuer whose JWTs another one, an STS, lives on; empty if it needs none."""
    path = manifest.issuers[issuer].values.get("web_identity", "")
    return str(path).partition(":")[0]
