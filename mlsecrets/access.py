"""What a scope lets a process do, one line each, in words of the manifest.

>>> access = Access.parse("read s3://datasets/digits/*")
>>> access.covers("read", "datasets", "digits/train/0.parquet")
True
>>> access.covers("write", "datasets", "digits/train/0.parquet")
False
>>> Access.parse("use https://mlflow.example.org").covers_origin(
...     "https://mlflow.example.org/api/2.0/mlflow/runs/create"
... )
True
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, get_args

from ._origin import origin_of, shown

Verb = Literal["read", "write", "use"]
VERBS: Final[tuple[Verb, ...]] = get_args(Verb)

# "Bucket naming rules", Amazon S3 User Guide.
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
# "Object key naming guidelines", same guide: a key has at most 1024 bytes of UTF-8.
_LONGEST_KEY = 1024
_GLOB = re.compile(r"[*?]")
_BEYOND_ORIGIN = re.compile(r"(?<![:/])/.|[?#]")


@dataclass(frozen=True)
class Access:
    """One right: to read or write objects, or to present a bearer to a server.

    In the key pattern ``*`` stands for any run of characters, ``/`` included, and
    ``?`` for one; nothing else is special. These are the rules of IAM's StringLike
    ("IAM JSON policy elements: Condition operators", IAM User Guide), so that what is
    checked here and what the store enforces are one thing.

    Args:
        verb: "read" objects; "write" them, which includes reading; "use" a bearer or
            password at one origin.
        url: ``s3://bucket/pattern`` for read and write, an origin for use.
    """

    verb: Verb
    url: str

    def __post_init__(self) -> None:
        if self.verb == "use":
            _check_origin(self.url)
        else:
            _check_objects(self.verb, self.url)

    @classmethod
    def parse(cls, text: str) -> Access:
        """Read a line such as ``read s3://datasets/digits/*``.

        Raises:
            ValueError: says what was expected and what came.
        """
        verb, space, url = text.partition(" ")
        if verb not in VERBS:
            raise ValueError(_unknown_verb(text, verb if space else ""))
        if not url or any(character.isspace() for character in url):
            raise ValueError(f"expected '{verb} URL' with one space, got {text!r}")
        return cls(verb, url)

    def __str__(self) -> str:
        return f"{self.verb} {self.url}"

    @property
    def scheme(self) -> str:
        """The scheme: s3, https or http."""
        return self.url.partition("://")[0]

    @property
    def bucket(self) -> str:
        """The bucket; empty for "use"."""
        return "" if self.verb == "use" else self.url[len("s3://") :].partition("/")[0]

    @property
    def pattern(self) -> str:
        """Which keys of the bucket; empty for "use"."""
        return "" if self.verb == "use" else self.url[len("s3://") :].partition("/")[2]

    @property
    def origin(self) -> str:
        """Where the bearer may go, default port left out; empty for read and write."""
        return str(origin_of(self.url)) if self.verb == "use" else ""

    @property
    def folder(self) -> str:
        """Pattern of the names of the folder that the keys lie in; may be empty.

        Not keys, but clients ask for a folder by its name, as if it were one, to learn
        that it is not (s3fs: `info`, `exists`, `glob`). That must not be an error.
        """
        return _folder(self.pattern)

    @property
    def listings(self) -> tuple[str, ...]:
        """Patterns of the prefixes that may be listed.

        Prefixes within the pattern, its beginning up to the first wildcard, and the
        folder that this lies in. Listing a folder shows the names of its other keys;
        the bucket's root is listed only where the pattern begins with ``*``.
        """
        return _listings(self.pattern)

    def covers(self, verb: Verb, bucket: str, key: str) -> bool:
        """Whether this right is enough to read or write an object."""
        if self.verb == "use" or bucket != self.bucket:
            return False
        if verb == "read":
            # An empty name is the bucket itself, which is no object.
            return key != "" and (
                matches(self.pattern, key) or matches(self.folder, key)
            )
        return verb == self.verb == "write" and matches(self.pattern, key)

    def covers_listing(self, bucket: str, prefix: str) -> bool:
        """Whether this right is enough to list the keys that begin with `prefix`."""
        return (
            self.verb != "use"
            and bucket == self.bucket
            and any(matches(pattern, prefix) for pattern in self.listings)
        )

    def covers_origin(self, url: str) -> bool:
        """Whether a bearer may be sent to `url`; no for what can be read two ways."""
        if self.verb != "use":
            return False
        try:
            return origin_of(url) == origin_of(self.url)
        except ValueError:
            return False


def matches(pattern: str, text: str) -> bool:
    """Whether all of `text` fits a pattern with IAM's ``*`` and ``?``.

    Takes time proportional to the product of the lengths, whatever the pattern.
    """
    in_text = in_pattern = 0
    star = -1  # where the last * of the pattern is
    after_star = 0  # where in the text the pattern behind it is tried next
    while in_text < len(text):
        wanted = pattern[in_pattern : in_pattern + 1]
        if wanted == "*":
            star, after_star = in_pattern, in_text
            in_pattern += 1
        elif wanted in ("?", text[in_text]):
            in_pattern += 1
            in_text += 1
        elif star >= 0:
            after_star += 1
            in_pattern, in_text = star + 1, after_star
        else:
            return False
    return not pattern[in_pattern:].strip("*")


def _unknown_verb(text: str, verb: str) -> str:
    expected = "expected 'read s3://...', 'write s3://...' or 'use https://...'"
    near = difflib.get_close_matches(verb, VERBS, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{expected}, got {text!r}{hint}"


def _check_objects(verb: str, url: str) -> None:
    scheme, mark, rest = url.partition("://")
    if not mark or scheme != "s3":
        raise ValueError(f"{verb} expects s3://bucket/pattern, got {url!r}")
    bucket, _, pattern = rest.partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise ValueError(f"{url!r} has no valid bucket name: got {bucket!r}")
    if not pattern:
        everything = f"s3://{bucket}/*"
        raise ValueError(
            f"{verb} expects s3://bucket/pattern, got {url!r}; "
            f"write {everything!r} for the whole bucket"
        )
    if pattern.startswith("/") or not pattern.isprintable():
        raise ValueError(f"{url!r} has a key that begins with / or cannot be printed")
    if "${" in pattern:
        raise ValueError(f"{url!r} has '${{', which IAM would read as a variable")
    if len(pattern.encode()) > _LONGEST_KEY:
        raise ValueError(f"{url!r} is longer than a key can be, {_LONGEST_KEY} bytes")


def _check_origin(url: str) -> None:
    if not url.startswith(("https://", "http://")):
        raise ValueError(f"use expects https://host[:port], got {shown(url)!r}")
    try:
        origin = origin_of(url)
    except ValueError as error:
        expected = f"use expects https://host[:port], got {shown(url)!r}"
        raise ValueError(f"{expected}: {error}") from None
    if _BEYOND_ORIGIN.search(url):
        raise ValueError(
            f"use expects an origin such as {str(origin)!r}, got {shown(url)!r}"
        )
    if origin.scheme == "http" and not origin.loopback:
        raise ValueError(
            f"{shown(url)!r} would send the bearer in clear text: expected https://, "
            "or http:// on this machine"
        )


# Not cached_property, up to 3.11 with a lock that a forked child may inherit held.


@lru_cache
def _folder(pattern: str) -> str:
    if pattern.endswith("/*"):
        return pattern[: -len("/*")]
    return _literal(pattern).rpartition("/")[0]


@lru_cache
def _listings(pattern: str) -> tuple[str, ...]:
    beginning = _literal(pattern)
    folder = beginning.rpartition("/")[0]
    wider = (beginning, folder and folder + "/")
    return (
        pattern,
        *(p for p in dict.fromkeys(wider) if p and not matches(pattern, p)),
    )


def _literal(pattern: str) -> str:
    """A pattern up to its first wildcard; empty if it has none."""
    glob = _GLOB.search(pattern)
    return pattern[: glob.start()] if glob else ""
