"""What reading the current credentials costs, beside botocore's own.

    python benchmarks/snapshot.py [--rounds 40]

The lease's snapshot is what readers check; "to sign with" adds making a Python string
of the session token, as botocore needs it. botocore's refreshable credentials are far
from expiry: its cheapest case.
"""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path

from _pairs import per_call, report, rounds
from botocore.credentials import Credentials, RefreshableCredentials

from mlsecrets import configure, lease
from mlsecrets._broker.attach import Attachment
from mlsecrets._reference import owner_socket
from mlsecrets.devstack import DevStack
from mlsecrets.storage._sign import LeaseCredentials

CALLS = 20_000


def refreshable() -> RefreshableCredentials:
    """Botocore's own, with an hour to live."""
    later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
    return RefreshableCredentials(
        "ASIA0000000000000000",
        "s" * 40,
        "t" * 356,
        expiry_time=later,
        refresh_using=dict,
        method="benchmark",
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40)
    count = parser.parse_args().rounds
    with DevStack(ttl=3600) as stack:
        configure(stack.manifest_path)
        with lease("train-data") as data:
            path = Path(data.reference.socket or str(owner_socket()))
            worker = Attachment(path).source("train-data")
            signing = LeaseCredentials(data.reference)
            theirs = refreshable()
            static = Credentials("AKIA0000000000000000", "s" * 40)
            found = rounds(
                {
                    "botocore refreshable": lambda: per_call(
                        theirs.get_frozen_credentials, CALLS
                    ),
                    "botocore static": lambda: per_call(
                        static.get_frozen_credentials, CALLS
                    ),
                    "lease.snapshot()": lambda: per_call(data.snapshot, CALLS),
                    "the same in a worker": lambda: per_call(worker.snapshot, CALLS),
                    "the same, to sign with": lambda: per_call(signing.read, CALLS),
                },
                count,
            )
    print(f"one read, microseconds; {count} rounds of {CALLS} calls each")
    report(found, against="botocore refreshable", unit="us", scale=1e6)


if __name__ == "__main__":
    main()
