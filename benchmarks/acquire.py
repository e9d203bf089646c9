"""What getting and giving back a credential costs, beside hvac for the same path.

    python benchmarks/acquire.py [--rounds 40]

Both log in by AppRole, read ``identity/oidc/token/mlflow`` and revoke their own token
at the end. Ours also locks memory, starts the renewal thread and opens the workers'
socket.
"""

from __future__ import annotations

import argparse

import hvac
from _pairs import once, report, rounds

from mlsecrets import configure, lease
from mlsecrets.devstack import DevStack


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40)
    count = parser.parse_args().rounds
    with DevStack(ttl=600) as stack:
        configure(stack.manifest_path)
        role_id = stack.openbao.role_id_file.read_text()
        secret_id = stack.openbao.secret_id_file.read_text()

        def with_hvac() -> None:
            client = hvac.Client(stack.openbao.address)
            client.auth.approle.login(role_id, secret_id)
            client.read("identity/oidc/token/mlflow")
            client.auth.token.revoke_self()
            client.adapter.close()

        def with_lease() -> None:
            with lease("mlflow"):
                pass

        def store_lease() -> None:
            with lease("train-data"):
                pass

        def second_lease() -> float:
            with lease("mlflow"):
                return once(with_store_inside)

        def with_store_inside() -> None:
            with lease("train-data"):
                pass

        found = rounds(
            {
                "hvac: login, read, revoke": lambda: once(with_hvac),
                'lease("mlflow")': lambda: once(with_lease),
                'lease("train-data"): STS, revoker': lambda: once(store_lease),
                "the same, already logged in": second_lease,
            },
            count,
        )
    print(f"from nothing to a credential and back, milliseconds; {count} rounds")
    report(found, against="hvac: login, read, revoke", unit="ms", scale=1e3)


if __name__ == "__main__":
    main()
