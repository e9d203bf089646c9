"""An access line means one thing, and a wrong one says what is wrong."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsecrets.access import Access, matches

KEYS = st.text("ab/*?.[]", max_size=8)
KEY_PATTERNS = KEYS.filter(lambda pattern: pattern and pattern[0] != "/")


def as_regex(pattern: str) -> re.Pattern[str]:
    """The same pattern in another notation, for comparison."""
    translated = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(translated, re.DOTALL)


@pytest.mark.parametrize(
    "line",
    [
        "read s3://datasets/digits/*",
        "write s3://checkpoints/run-*/*",
        "read s3://datasets/one-file[1].parquet",
        "use https://mlflow.example.org",
        "use http://127.0.0.1:5000",
        "use http://[::1]:5000/",
    ],
)
def test_a_line_is_given_back_as_written(line: str) -> None:
    """Parsing keeps the text, so that errors and status show what people wrote."""
    assert str(Access.parse(line)) == line


def test_the_parts_of_object_access() -> None:
    """Scheme, bucket and pattern of an s3 address; no origin."""
    access = Access.parse("write s3://checkpoints/run-*/*")
    assert (access.verb, access.scheme) == ("write", "s3")
    assert (access.bucket, access.pattern) == ("checkpoints", "run-*/*")
    assert access.origin == ""


def test_the_parts_of_the_use_of_a_server() -> None:
    """The origin is normalised; there is no bucket."""
    access = Access.parse("use https://MLflow.example.org:443/")
    assert (access.scheme, access.origin) == ("https", "https://mlflow.example.org")
    assert (access.bucket, access.pattern) == ("", "")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("raed s3://b-1/x", r"got 'raed s3://b-1/x'; did you mean 'read'\?"),
        ("delete s3://b-1/x", "expected 'read s3://...', 'write"),
        ("", "expected 'read s3://...'"),
        ("reads3://b-1/x", "got 'reads3://b-1/x'"),
        ("read", "expected 'read URL' with one space, got 'read'"),
        ("read ", "expected 'read URL' with one space, got 'read '"),
        ("read  s3://b-1/x", "with one space"),
        ("read s3://b-1/x ", "with one space"),
        ("read s3://b-1/x\n", "with one space"),
        ("read https://b-1/x", "read expects s3://bucket/pattern, got 'https://b-1/x'"),
        ("write gs://b-1/x", "write expects s3://bucket/pattern"),
        ("read b-1/x", "read expects s3://bucket/pattern"),
        ("read s3:/b-1/x", "read expects s3://bucket/pattern"),
        ("use s3://b-1/x", r"use expects https://host\[:port\], got 's3://b-1/x'"),
        ("use mlflow", r"use expects https://host\[:port\], got 'mlflow'"),
        ("read s3://b-1", r"write 's3://b-1/\*' for the whole bucket"),
        ("read s3://b-1/", r"write 's3://b-1/\*' for the whole bucket"),
        ("read s3://*/x", r"no valid bucket name: got '\*'"),
        ("read s3://B-1/x", "no valid bucket name"),
        ("read s3://b/x", "no valid bucket name"),
        ("read s3:///x", "no valid bucket name"),
        ("read s3://b-1//x", "begins with /"),
        ("read s3://b-1/a\x00", "cannot be printed"),
        ("read s3://b-1/${jwt:run}/*", "IAM would read as a variable"),
        ("read s3://b-1/" + "\u00e9" * 513, "longer than a key can be, 1024 bytes"),
        ("use https://a.example/path", "an origin such as 'https://a.example', got"),
        ("use https://a.example?x=1", "an origin such as 'https://a.example', got"),
        ("use https://a.example#", "an origin such as"),
        ("use https://me:pw@a.example", "user name or password does not belong"),
        ("use https://", "names no host"),
        ("use https://a.example:port", "cannot be read"),
        ("use http://mlflow.example.org", "clear text: expected https://"),
        ("use http://10.0.0.1:5000", "clear text"),
    ],
)
def test_a_wrong_line_says_what_is_wrong(line: str, message: str) -> None:
    """Expected and got, in every message, and the nearest verb."""
    with pytest.raises(ValueError, match=message):
        Access.parse(line)


def test_a_password_in_a_url_is_not_quoted_in_the_error() -> None:
    """Errors end up in logs."""
    with pytest.raises(ValueError, match="user name or password") as caught:
        Access.parse("use https://me:s3cret@a.example")
    assert "s3cret" not in str(caught.value)


def test_building_one_checks_the_same() -> None:
    """There is no unchecked access."""
    with pytest.raises(ValueError, match="clear text"):
        Access("use", "http://mlflow.example.org")


@given(KEYS, KEYS)
def test_patterns_are_iam_patterns(pattern: str, text: str) -> None:
    """* is any run of characters, ? is one; brackets and dots are themselves."""
    assert matches(pattern, text) is bool(as_regex(pattern).fullmatch(text))


@given(KEY_PATTERNS, KEYS)
def test_reading_covers_the_keys_and_their_folders_name(pattern: str, key: str) -> None:
    """Besides the keys, only a name that clients ask for to see that it is a folder."""
    read = Access("read", f"s3://bucket/{pattern}")
    inside = as_regex(pattern)
    if key and inside.fullmatch(key):
        assert read.covers("read", "bucket", key)
    elif read.covers("read", "bucket", key):
        literal = re.split(r"[*?]", pattern)[0]
        assert inside.fullmatch(key + "/") or literal.startswith(key + "/")
    assert not read.covers("read", "other", key)
    assert not read.covers("write", "bucket", key)
    assert not read.covers("use", "bucket", key)


@given(KEY_PATTERNS, KEYS)
def test_writing_covers_exactly_the_keys_and_reads_them(pattern: str, key: str) -> None:
    """Write implies read, and goes nowhere that the pattern does not."""
    write = Access("write", f"s3://bucket/{pattern}")
    read = Access("read", f"s3://bucket/{pattern}")
    inside = bool(as_regex(pattern).fullmatch(key))
    assert write.covers("write", "bucket", key) is inside
    assert write.covers("read", "bucket", key) is read.covers("read", "bucket", key)


@pytest.mark.parametrize(
    ("pattern", "listed", "not_listed"),
    [
        (
            "digits/*",
            ["digits/", "digits/train/", "digits/train"],
            ["", "digits", "digits2/"],
        ),
        ("run-*/*", ["run-", "run-1/", "run-1/a/"], ["", "run", "run-1"]),
        ("a/part-*.csv", ["a/", "a/part-", "a/part-1.csv"], ["", "a", "a/b/"]),
        ("a/one.csv", ["a/one.csv"], ["", "a", "a/", "a/one"]),
        ("*", ["", "anything/"], []),
        ("?/x", ["a/x"], ["", "a/"]),
    ],
)
def test_listing_stays_in_the_folder(
    pattern: str, listed: list[str], not_listed: list[str]
) -> None:
    """Enough to walk to the keys; the bucket's root only where all of it is meant."""
    access = Access("read", f"s3://bucket/{pattern}")
    assert [p for p in listed if not access.covers_listing("bucket", p)] == []
    assert [p for p in not_listed if access.covers_listing("bucket", p)] == []
    assert not access.covers_listing("other", listed[0])


@pytest.mark.parametrize(
    "url",
    [
        "https://mlflow.example.org",
        "https://mlflow.example.org:443/api",
        "HTTPS://MLFLOW.example.org/x?y#z",
    ],
)
def test_a_bearer_goes_to_its_origin(url: str) -> None:
    """Case and the default port make no difference, nor does the path."""
    assert Access.parse("use https://mlflow.example.org").covers_origin(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://mlflow.example.org",
        "https://mlflow.example.org:8443",
        "https://mlflow.example.org.evil.net",
        "https://evil.net/https://mlflow.example.org",
        "https://mlflow.example.org@evil.net",
        "https://evil.net\\@mlflow.example.org",
        "https://evil.net#@mlflow.example.org",
        "https://mlflow.example.org\t.evil.net",
        "https://mlflow.example.org%2eevil.net",
        "https://mlflow.example.org:",
        "//mlflow.example.org",
        "mlflow.example.org",
        "",
    ],
)
def test_a_bearer_goes_nowhere_else(url: str) -> None:
    """Another scheme, port or host, or a URL that two readers read in two ways."""
    assert not Access.parse("use https://mlflow.example.org").covers_origin(url)


def test_object_access_sends_no_bearer() -> None:
    """The verbs do not mix."""
    assert not Access.parse("read s3://datasets/*").covers_origin("https://datasets")
    use = Access.parse("use https://datasets")
    assert not use.covers("read", "", "")
    assert not use.covers_listing("", "")
