"""What this machine and this Python bring along."""

from __future__ import annotations

import platform
import secrets

from ...issuers.sts import STS
from ...manifest import Manifest, kinds
from ...memory import Sealed, SecretBuffer, why_not_scrubbed
from ...sweep import sweep
from .._installed import installed
from ._check import Check

#: Distributions that leases are used with; MLflow comes whole or as its client alone.
GUESTS = ("s3fs", "boto3", "mlflow", "mlflow-skinny", "lightning", "torch")


def memory() -> Check:
    """Which protections the memory for secrets gets; the job runs without them, too."""
    with SecretBuffer(64) as buffer:
        protection = buffer.protection
    got = [
        text
        for text, granted in (
            ("hidden from debuggers", protection.kind == "secretmem"),
            ("never swapped", protection.kind != "plain"),
            ("left out of core dumps", protection.undumpable),
            ("zeros in forked children", protection.wiped_on_fork),
        )
        if granted
    ]
    found = ", ".join(got) or "none granted"
    reasons = [*protection.reasons]
    if why := why_not_scrubbed():
        reasons.append(why)
    if not reasons:
        return Check("memory", ok=True, found=found)
    remedy = None
    if protection.kind == "plain":
        remedy = "raise the limit of locked memory: ulimit -l, or LimitMEMLOCK="
    found += f"; but {'; '.join(reasons)}"
    return Check("memory", ok=True, found=found, remedy=remedy)


def sweeping() -> Check:
    """Whether copies of a secret can be found and wiped: tried on an invented one."""
    copy = secrets.token_urlsafe(30)
    with SecretBuffer.of(copy) as buffer:
        report = sweep([Sealed(buffer, 0, buffer.size)])
    if report.refused is not None:
        return Check(
            "sweep",
            ok=True,
            found=f"not possible: {report.refused}",
            remedy="allow ptrace and process_vm_readv (in a container: SYS_PTRACE), or "
            "use readers to which nothing is revealed",
        )
    found = f"{report.copies} copies of an invented secret found, {report.left} left"
    found = ", ".join([f"{found}, in {report.seconds:.1f} s", *report.notes])
    return Check("sweep", ok=True, found=found)


def packages(manifest: Manifest) -> Check:
    """Which libraries are installed, and whether one is missing for the scopes."""
    versions = {name: installed(name) for name in ("mlsecrets", *GUESTS)}
    found = ", ".join(f"{name} {got}" for name, got in versions.items() if got)
    found += f", Python {platform.python_version()}"
    stores = any(
        _is_sts(manifest.issuers[scope.issuer].kind)
        for scope in manifest.scopes.values()
    )
    if stores and not versions["s3fs"]:
        found += "; no s3fs, which reads and writes s3://"
        remedy = "pip install 'mlsecrets[s3]'"
        return Check("packages", ok=True, found=found, remedy=remedy)
    return Check("packages", ok=True, found=found)


def _is_sts(kind: str) -> bool:
    found = kinds.issuer(kind)
    return isinstance(found, type) and issubclass(found, STS)
