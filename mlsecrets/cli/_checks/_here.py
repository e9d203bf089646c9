"""What this machine and this Python bring along."""

from __future__ import annotations

import platform

from ...issuers.sts import STS
from ...manifest import Manifest, kinds
from ...memory import SecretBuffer
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
    if not protection.reasons:
        return Check("memory", ok=True, found=found)
    remedy = None
    if protection.kind == "plain":
        remedy = "raise the limit of locked memory: ulimit -l, or LimitMEMLOCK="
    reasons = "; ".join(protection.reasons)
    return Check("memory", ok=True, found=f"{found}; but {reasons}", remedy=remedy)


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
