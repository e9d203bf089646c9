"""Reading the counters that SeaweedFS exposes, in the Prometheus text format.

https://prometheus.io/docs/instrumenting/exposition_formats/ (text format 0.0.4)
"""

from __future__ import annotations

import re

_REQUESTS = re.compile(
    r"^SeaweedFS_s3_request_total\{(?P<labels>[^}]*)\} (?P<count>\S+)$", re.MULTILINE
)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


def s3_requests(text: str) -> dict[tuple[str, str, str], int]:
    """How often each (type, status, bucket) was answered since the store started.

    As counted by 4.48. Types are ``GET``, ``PUT``, ``LIST``, ``DELETE``, ...;
    ``STS-Fallback`` is AssumeRoleWithWebIdentity and ``IAM-Unified`` GetCallerIdentity.
    A refused request, and one that names no bucket, has the bucket ``""``. Requests
    for a bucket's policy count like those for objects: each session that the revoker
    ends is a ``GET`` (404 where there was no policy) and a ``PUT`` on every bucket.
    """
    counts: dict[tuple[str, str, str], int] = {}
    for found in _REQUESTS.finditer(text):
        labels = dict(_LABEL.findall(found["labels"]))
        key = (labels["type"], labels["code"], labels["bucket"])
        counts[key] = int(float(found["count"]))
    return counts
