"""What a signature costs with the key in locked memory, beside botocore's own.

    python benchmarks/signing.py [--rounds 40]

Two kinds of figures: the signature of a request by itself, as `add_auth` makes it, and
what it takes to get the credentials for it. No server is asked. Ours reads a lease that
does not end; botocore's key is a string.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable
from typing import Any

from _pairs import per_call, report, rounds
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from mlsecrets.credentials import AWSCredentials
from mlsecrets.grant import Grant, Terms
from mlsecrets.storage._sign import LockedCredentials
from mlsecrets.storage._signers import SIGNERS

CALLS = 500
KEY = ("ASIA0000000000000000", "s0me/Secret+Key" * 2 + "0123456789")
TOKEN = "token" * 71
URL = "https://s3.example.org/datasets/digits/train/0000.parquet"


def request() -> AWSRequest:
    """As s3fs sends it for a part of a file."""
    made = AWSRequest("GET", URL, {"Range": "bytes=0-65535", "User-Agent": "benchmark"})
    made.context["client_config"] = None
    return made


def signing(kind: Any, credentials: Any) -> Callable[[], None]:
    """Making and signing one request."""

    def sign() -> None:
        kind(credentials, "s3", "us-east-1").add_auth(request())

    return sign


def step(kind: Any, credentials: Any) -> Callable[[], None]:
    """The one step that is ours."""
    signer = kind(credentials, "s3", "us-east-1")
    made = request()
    made.context["timestamp"] = "20260101T000000Z"
    to_sign = "AWS4-HMAC-SHA256\n20260101T000000Z\n20260101/us-east-1/s3\n" + 64 * "0"
    return lambda: signer.signature(to_sign, made)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40)
    count = parser.parse_args().rounds
    logging.disable(logging.DEBUG)
    values = AWSCredentials.of(*KEY, TOKEN)
    grant = Grant(Terms("train-data", "s-1", 0.0, 900.0, 900.0), values)
    ours, theirs = (
        LockedCredentials(grant, TOKEN),
        ReadOnlyCredentials(*KEY, TOKEN, None),
    )
    locked = SIGNERS["mlsecrets-s3v4"]
    for name, made in (("a whole request", signing), ("the step with the key", step)):
        found = rounds(
            {
                "botocore": lambda made=made: per_call(  # type: ignore[misc]
                    made(auth.S3SigV4Auth, theirs), CALLS
                ),
                "locked key": lambda made=made: per_call(  # type: ignore[misc]
                    made(locked, ours), CALLS
                ),
            },
            count,
        )
        print(f"{name}, microseconds; {count} rounds of {CALLS} signatures")
        report(found, against="botocore", unit="us", scale=1e6)
    shown = rounds(
        {
            "a token as a string": lambda: per_call(
                lambda: values.reveal("session_token", "benchmark"), CALLS
            )
        },
        count,
    )
    print("the session token, which is a header, microseconds")
    report(shown, against="a token as a string", unit="us", scale=1e6)


if __name__ == "__main__":
    main()
