"""What a scope's access means to an S3-compatible store.

A session policy narrows the role that is assumed: the session may do what role and
policy both allow ("Session policies", IAM User Guide). So a mistake here can take
rights away and never adds one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from ..access import Access

# "PolicySizeLimit": plaintext characters of inline session policies together
# (STS API Reference, AssumeRoleWithWebIdentity, parameter Policy).
LONGEST = 2048

_READ = ("s3:GetObject",)
_WRITE = (
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:GetObject",
    "s3:ListMultipartUploadParts",
    "s3:PutObject",
)
_LIST = ("s3:ListBucket",)
# Says only where the bucket is. s3fs asks it to learn that there is such a bucket,
# and would otherwise try to make one in `makedirs`.
_LOCATE = ("s3:GetBucketLocation",)
# Not granted: s3:ListBucketMultipartUploads. No condition narrows it to a prefix
# (Service Authorization Reference, Amazon S3), so it would show all of a bucket.


def session_policy(access: Sequence[Access]) -> str:
    """The inline session policy for a scope's rights, as compact JSON.

    The same rights give the same text, in whatever order they were written.

    Args:
        access: the scope's rights; those to "use" a server are the server's affair.

    Raises:
        ValueError: nothing in it is for a store, or the policy is too long.
    """
    objects = [entry for entry in access if entry.verb != "use"]
    if not objects:
        raise ValueError("a session policy needs a right to read or write s3://")
    writes = {_arn(e.bucket, e.pattern) for e in objects if e.verb == "write"}
    reads = {_arn(e.bucket, e.pattern) for e in objects} - writes
    folders = {_arn(e.bucket, e.folder) for e in objects if e.folder}
    policy = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                *_on(_READ, reads | (folders - writes)),
                *_on(_WRITE, writes),
                *_on(_LOCATE, {_arn(e.bucket) for e in objects}),
                *_on_listings(objects),
            ],
        },
        # Escapes for what is not ASCII: AWS accepts no character above U+00FF here.
        separators=(",", ":"),
    )
    if len(policy) > LONGEST:
        raise ValueError(
            f"the session policy for {len(objects)} rights has {len(policy)} "
            f"characters, expected at most {LONGEST}: "
            "split the scope, or use fewer and broader patterns"
        )
    return policy


def _on(actions: Sequence[str], arns: Iterable[str]) -> Iterable[Any]:
    resources = sorted(arns)
    if resources:
        yield {"Effect": "Allow", "Action": list(actions), "Resource": resources}


def _on_listings(objects: Sequence[Access]) -> Iterable[Any]:
    for bucket in sorted({entry.bucket for entry in objects}):
        prefixes = {
            prefix
            for entry in objects
            if entry.bucket == bucket
            for prefix in entry.listings
        }
        condition = {"StringLike": {"s3:prefix": sorted(prefixes)}}
        for statement in _on(_LIST, [_arn(bucket)]):
            yield statement | {"Condition": condition}


def _arn(bucket: str, key: str = "") -> str:
    return f"arn:aws:s3:::{bucket}" + (f"/{key}" if key else "")
