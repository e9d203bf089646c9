"""What clients leave of a secret in memory, seen by an observer outside of them.

    python benchmarks/residue.py [--runs 20] [--peer-runs 3] [--only NAME ...]

Each client runs in a process of its own against the real servers, and is looked at
twice: *during*, just after it has used its credentials, with everything still open; and
*after* it was closed and collected, or its block was left and swept. The observer is
its parent. It learns the secrets from what goes over the wire, dumps all of the
client's memory and its threads' registers with gdb, and searches the dump; where that
is not allowed it reads the memory, and says that no registers were seen.

A cell reads **full copies / fragments**, the smallest and the largest of all runs. A
full copy is the whole secret as bytes, UTF-16, UCS-4, hexadecimal, base64 at each of
three alignments, JSON or percent-encoded; a fragment is any other run of 12 characters
or more of such a form. Constant heads (of tokens, the first segment of a JWT) are left
out, as are copies in locked memory, which is where a leased secret is kept; the kernel
lets nobody look into the best kind of it. Leased clients use two generations of
credentials where they can: those of both are looked for.

A zero would mean nothing if the observer were blind: a text and a piece of it are
planted in every client, and must be found at every look; what the client asked for must
have been answered, by servers that refuse it without credentials; and the secrets that
it must have had must have passed over the wire.

All of it takes about twenty minutes on two cores; ``--runs 1 --peer-runs 1`` two.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from _residue.plan import CLIENTS, installed
from _residue.run import Results, run_all
from _residue.table import markdown, plain, proofs, versions

TRANSPORTS = ("HTTP", "TLS")


def main() -> int:
    """Run and print; 1 if something that was run says nothing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    here = installed()
    parser.add_argument("--runs", type=int, default=20, help="of each leased client")
    parser.add_argument("--peer-runs", type=int, default=3, help="of each other one")
    parser.add_argument(
        "--minutes", type=float, default=60.0, help="begin no round after them"
    )
    parser.add_argument("--only", nargs="+", choices=here, default=here)
    parser.add_argument("--over", nargs="+", choices=TRANSPORTS, default=TRANSPORTS)
    parser.add_argument(
        "--no-dump", action="store_true", help="read the memory, as without gdb"
    )
    parser.add_argument("--markdown", action="store_true", help="for the documentation")
    parser.add_argument("--json", type=Path, help="a file for every run, every copy")
    options = parser.parse_args()
    results = run_all(
        options.only,
        options.over,
        lambda name: options.runs if CLIENTS[name].ours else options.peer_runs,
        minutes=options.minutes,
        dump=not options.no_dump,
    )
    if options.json is not None:
        options.json.write_text(_json(results))
    print(versions(results))
    print((markdown if options.markdown else plain)(results))
    print("", proofs(results), sep="\n")
    return int(any(cell.failed for cell in results.cells.values()))


def _json(results: Results) -> str:
    rows = [
        {"client": name, "transport": transport, **asdict(cell)}
        for (name, transport), cell in results.cells.items()
    ]
    return json.dumps({"cells": rows, "refusals": dict(results.refusals)})


if __name__ == "__main__":
    sys.exit(main())
