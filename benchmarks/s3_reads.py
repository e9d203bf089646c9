"""Objects read in a second from the real store: leased beside static credentials.

    python benchmarks/s3_reads.py [--rounds 20]

s3fs both times, one object of 64 KiB after another. The lease lives ten seconds and is
replaced while it is read. One static reader has the store's own key, for which the
store checks no policy; the other has the lease's credentials of the moment, as strings,
which is the same work for the store.
"""

from __future__ import annotations

import argparse

import s3fs
from _pairs import per_call, report, rounds

from mlsecrets import configure, lease
from mlsecrets.devstack import DevStack

READS = 100
KEY = "datasets/digits/benchmark"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    count = parser.parse_args().rounds
    with DevStack(ttl=10) as stack:
        key = stack.store.admin_key()
        static = s3fs.S3FileSystem(
            key=key.access_key,
            secret=key.secret_key,
            endpoint_url=stack.store.address,
            client_kwargs={"region_name": "us-east-1"},
        )
        static.pipe_file(KEY, bytes(65536))
        configure(stack.manifest_path)
        with lease("train-data") as data:
            leased, routed = (
                data.filesystem(),
                s3fs.S3FileSystem(skip_instance_cache=True),
            )

            def read(fs: s3fs.S3FileSystem) -> float:
                return 1 / per_call(lambda: fs.cat_file(KEY), READS)

            def session() -> float:
                values = data.snapshot().credentials
                fs = s3fs.S3FileSystem(
                    key=values.public["access_key_id"],
                    secret=values.reveal("secret_access_key"),
                    token=values.reveal("session_token"),
                    endpoint_url=stack.store.address,
                    client_kwargs={"region_name": "us-east-1"},
                    skip_instance_cache=True,
                )
                fs.cat_file(KEY)  # connects
                return read(fs)

            found = rounds(
                {
                    "static key": lambda: read(static),
                    "static session, same rights": session,
                    "leased, one scope": lambda: read(leased),
                    "leased, plain s3://": lambda: read(routed),
                },
                count,
            )
            generations = data.snapshot().terms.generation
    print(f"objects a second; {count} rounds of {READS}; {generations} generations")
    report(found, against="static key", unit="1/s", scale=1)
    report(found, against="static session, same rights", unit="1/s", scale=1)


if __name__ == "__main__":
    main()
