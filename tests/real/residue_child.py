"""A process that leases for real, and then looks for copies of what it was given.

Its arguments: a manifest, the files of its identity, and ``keep`` to hold on to one
string of each secret. It writes the copies it finds as JSON.
"""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from pathlib import Path

from mlsecrets import _current, configure, lease
from mlsecrets.credentials import Credentials
from mlsecrets.identities._files import identity_file
from mlsecrets.memory import Sealed, SecretBuffer, count_copies

SCOPES = ("train-data", "mlflow", "hub")


def main() -> None:
    manifest, role_id, secret_id, keep = sys.argv[1:]
    configure(Path(manifest))
    with ExitStack() as stack:
        needles = [
            kept(stack.enter_context(identity_file(Path(file), "an identity")))
            for file in (role_id, secret_id)
        ]
        with ExitStack() as leases:
            for scope in SCOPES:
                live = leases.enter_context(lease(scope))
                needles += all_of(live.snapshot().credentials)
                # Another generation; the first is retired, with a proof where it has
                # one, and ended at the exit.
                live.reject(live.snapshot().terms.generation)
                needles += all_of(live.snapshot().credentials)
            needles += all_of(login_token())
            strings = [str_of(needle) for needle in needles if keep == "keep"]
            found = {"in use": counted(needles)}
        found["after"] = counted(needles)
        found["needles"] = len(needles)
        found["strings"] = len(strings)
    sys.stdout.write(json.dumps(found))


def login_token() -> Credentials:
    stack = _current.session()._stack
    assert stack is not None
    return stack.logins["bao"].snapshot().credentials


def all_of(credentials: Credentials) -> list[SecretBuffer]:
    return [kept(credentials.sealed(field)) for field in credentials.FIELDS]


def kept(value: Sealed) -> SecretBuffer:
    """A needle that outlives what it was made from."""
    with value.reading() as view:
        return SecretBuffer.of(view)


def str_of(needle: SecretBuffer) -> str:
    return needle.text()


def counted(needles: list[SecretBuffer]) -> int:
    report = count_copies(needles)
    assert (report.skipped, report.unsearched_slots) == (None, 0)
    return report.copies


if __name__ == "__main__":
    main()
