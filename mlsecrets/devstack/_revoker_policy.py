"""Ending STS sessions by bucket policy: adding and pruning the statements. Pure.

SeaweedFS matches the ARN that its STS reports, without an account id, as a Deny's
principal at once (measured). The statement is needed no longer than the session
could have lived, so its Sid carries the epoch second after which it may go. Statements
with other Sids are somebody else's and are never touched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

Policy = dict[str, Any]

# AWS allows letters and digits in a Sid.
_SID = re.compile(r"^mlsecretsUntil(?P<until>\d+)Session[0-9a-f]{16}$")
_VERSION = "2012-10-17"
_NEVER = float("inf")


def deny(policy: Policy | None, bucket: str, arn: str, until: int) -> Policy:
    """The policy that also refuses this session everything on this bucket.

    Args:
        policy: the bucket's present one.
        arn: as GetCallerIdentity reports it.
        until: epoch seconds after which the session has ended by itself.
    """
    session = sha256(arn.encode()).hexdigest()[:16]
    statement = {
        "Sid": f"mlsecretsUntil{until}Session{session}",
        "Effect": "Deny",
        "Principal": {"AWS": [arn]},
        "Action": "s3:*",
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
    }
    kept = [other for other in _statements(policy) if not _names(other, session)]
    return {**_frame(policy), "Statement": [*kept, statement]}


def prune(policy: Policy | None, now: float) -> Policy | None:
    """The policy without sessions that have ended; None if nothing is left of it."""
    kept = [item for item in _statements(policy) if _until(item) > now]
    return {**_frame(policy), "Statement": kept} if kept else None


def next_end(policies: Iterable[Policy | None]) -> float | None:
    """When the next session in these policies ends by itself; None if there is none."""
    ends = [_until(item) for policy in policies for item in _statements(policy)]
    return min((end for end in ends if end != _NEVER), default=None)


def _frame(policy: Policy | None) -> Policy:
    return {"Version": _VERSION} if policy is None else policy


def _statements(policy: Policy | None) -> list[Mapping[str, Any]]:
    found = [] if policy is None else policy["Statement"]
    # A policy with one statement may hold it bare (IAM JSON policy grammar).
    return [found] if isinstance(found, Mapping) else list(found)


def _names(statement: Mapping[str, Any], session: str) -> bool:
    sid = statement.get("Sid", "")
    return bool(_SID.match(sid)) and sid.endswith(session)


def _until(statement: Mapping[str, Any]) -> float:
    """When it may go; never, for what is not ours."""
    found = _SID.match(statement.get("Sid", ""))
    return float(found["until"]) if found else _NEVER
