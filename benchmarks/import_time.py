"""What `import mlsecrets` costs over a bare interpreter, in milliseconds.

    python benchmarks/import_time.py [--rounds 50]

Each round starts one interpreter that imports nothing and one that imports
`mlsecrets`; the cost is the difference within the round.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

from _pairs import once, rounds, spread


def start(code: str) -> float:
    """Seconds to start an interpreter, run `code` and exit.

    Run isolated (-I): no working directory, environment or user site on the path.
    """
    command = [sys.executable, "-I", "-c", code]
    return once(lambda: subprocess.run(command, check=True))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=50)
    count = parser.parse_args().rounds
    found = rounds(
        {
            "bare": lambda: start("pass"),
            "ours": lambda: start("import mlsecrets"),
        },
        count,
    )
    cost = [
        mine - base for mine, base in zip(found["ours"], found["bare"], strict=True)
    ]
    print(f"start of an interpreter, ms; {count} rounds: median (middle half)")
    print(f"  bare               {spread(found['bare'], 1e3)}")
    print(f"  import mlsecrets   {spread(found['ours'], 1e3)}")
    print(f"  cost of the import {spread(cost, 1e3)}")


if __name__ == "__main__":
    main()
