"""A session policy grants what the access says: all of it, and nothing else.

Checked by evaluating the JSON with a small evaluator written here, not with the code
that made it.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsecrets.access import Access
from mlsecrets.policy import session_policy

READ = {"s3:GetObject"}
WRITE = {
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:GetObject",
    "s3:ListMultipartUploadParts",
    "s3:PutObject",
}
BUCKET = {"s3:GetBucketLocation", "s3:ListBucket"}
# What else a careless pattern could let in.
OTHERS = {"s3:DeleteBucket", "s3:PutBucketPolicy", "s3:ListBucketMultipartUploads"}

BUCKETS = ("aaa", "bbb")
ACCESS = st.builds(
    lambda verb, bucket, pattern: Access(verb, f"s3://{bucket}/{pattern}"),
    st.sampled_from(["read", "write"]),
    st.sampled_from(BUCKETS),
    st.text("ab/*?", min_size=1, max_size=6).filter(lambda p: p[0] != "/"),
)
KEYS = st.text("ab/", max_size=6)


def like(pattern: str, text: str) -> bool:
    """IAM's StringLike."""
    translated = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(translated, text, re.DOTALL) is not None


def allows(policy: str, action: str, arn: str, prefix: str | None = None) -> bool:
    """Whether a policy of Allow statements allows a request."""

    def holds(statement: dict[str, Any]) -> bool:
        assert statement["Effect"] == "Allow"
        patterns = statement.get("Condition", {}).get("StringLike", {}).get("s3:prefix")
        return (
            any(like(wanted, action) for wanted in statement["Action"])
            and any(like(wanted, arn) for wanted in statement["Resource"])
            # A condition on a value that the request does not have is not met.
            and (
                patterns is None
                or (prefix is not None and any(like(p, prefix) for p in patterns))
            )
        )

    return any(holds(statement) for statement in json.loads(policy)["Statement"])


@given(st.lists(ACCESS, min_size=1, max_size=4), st.sampled_from(BUCKETS), KEYS)
def test_objects_are_granted_exactly_where_access_covers_them(
    access: list[Access], bucket: str, key: str
) -> None:
    """Each action on each key is allowed if a line covers it, and only then."""
    policy = session_policy(access)
    arn = f"arn:aws:s3:::{bucket}/{key}"
    reads = any(entry.covers("read", bucket, key) for entry in access)
    writes = any(entry.covers("write", bucket, key) for entry in access)
    if key:
        for action in WRITE:
            expected = reads if action in READ else writes
            assert allows(policy, action, arn) is expected
    for action in OTHERS | BUCKET:
        assert not allows(policy, action, arn, key)


@given(st.lists(ACCESS, min_size=1, max_size=4), st.sampled_from(BUCKETS), KEYS)
def test_no_object_outside_the_patterns_is_granted(
    access: list[Access], bucket: str, key: str
) -> None:
    """Said without `covers`: a granted key is in a pattern or is its folder's name."""
    policy = session_policy(access)
    arn = f"arn:aws:s3:::{bucket}/{key}"
    mine = [entry for entry in access if entry.bucket == bucket]
    inside = any(like(entry.pattern, key) for entry in mine)
    folder = any(
        like(entry.pattern, key + "/")
        or re.split(r"[*?]", entry.pattern)[0].startswith(key + "/")
        for entry in mine
    )
    if key and not inside:
        assert not any(allows(policy, action, arn) for action in WRITE - READ)
    if key and not inside and not folder:
        assert not allows(policy, "s3:GetObject", arn)


@given(st.lists(ACCESS, min_size=1, max_size=4), st.sampled_from(BUCKETS), KEYS)
def test_listing_needs_a_prefix_that_is_covered(
    access: list[Access], bucket: str, prefix: str
) -> None:
    """Prefixes are allowed as `covers_listing` says, and none means no listing."""
    policy = session_policy(access)
    arn = f"arn:aws:s3:::{bucket}"
    covered = any(entry.covers_listing(bucket, prefix) for entry in access)
    assert allows(policy, "s3:ListBucket", arn, prefix) is covered
    assert not allows(policy, "s3:ListBucket", arn, None)
    named = any(entry.bucket == bucket for entry in access)
    assert allows(policy, "s3:GetBucketLocation", arn) is named
    for action in OTHERS | WRITE:
        assert not allows(policy, action, arn, prefix)


@given(
    st.lists(ACCESS, min_size=1, max_size=4).flatmap(
        lambda access: st.tuples(st.just(access), st.permutations(access))
    )
)
def test_order_and_repetition_do_not_matter(
    both: tuple[list[Access], list[Access]],
) -> None:
    """The same rights are the same text, so that stores and logs can compare it."""
    access, shuffled = both
    assert session_policy(access) == session_policy(shuffled + access)


def test_it_is_compact_and_for_people_to_read() -> None:
    """The policy of the manifest's example, in full."""
    assert session_policy([Access.parse("read s3://datasets/digits/*")]) == (
        '{"Version":"2012-10-17","Statement":['
        '{"Effect":"Allow","Action":["s3:GetObject"],"Resource":'
        '["arn:aws:s3:::datasets/digits","arn:aws:s3:::datasets/digits/*"]},'
        '{"Effect":"Allow","Action":["s3:GetBucketLocation"],"Resource":'
        '["arn:aws:s3:::datasets"]},'
        '{"Effect":"Allow","Action":["s3:ListBucket"],"Resource":'
        '["arn:aws:s3:::datasets"],'
        '"Condition":{"StringLike":{"s3:prefix":["digits/*"]}}}]}'
    )


def test_the_use_of_servers_is_left_out() -> None:
    """A bearer's destination is no concern of the store."""
    read = Access.parse("read s3://datasets/*")
    use = Access.parse("use https://mlflow.example.org")
    assert session_policy([use, read]) == session_policy([read])


@pytest.mark.parametrize("access", [[], [Access.parse("use https://a.example")]])
def test_no_right_is_an_error_not_the_whole_role(access: list[Access]) -> None:
    """An absent or empty session policy would leave all of the role."""
    with pytest.raises(ValueError, match="needs a right to read or write"):
        session_policy(access)


def test_a_policy_too_long_says_how_long() -> None:
    """AWS takes 2048 characters; the message counts ours and says what to do."""
    access = [Access.parse(f"read s3://datasets/part-{i:03}/*") for i in range(30)]
    with pytest.raises(ValueError, match=r"30 rights has \d{4} .* at most 2048: split"):
        session_policy(access)


def test_characters_beyond_latin_1_are_escaped() -> None:
    """The parameter takes characters up to U+00FF only (STS API Reference)."""
    policy = session_policy([Access.parse("read s3://datasets/\u6570\u5b57/*")])
    assert policy.isascii()
    assert allows(policy, "s3:GetObject", "arn:aws:s3:::datasets/\u6570\u5b57/1")
