"""What a command that is run on leases finds in its environment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..storage.environ import place
from ._errors import CommandError

if TYPE_CHECKING:
    from .._lease import Lease
    from ._endpoint import Endpoint

#: Where a program finds the endpoint, and the token to ask it with.
ADDRESS, TOKEN_FILE = "MLSECRETS_ENDPOINT", "MLSECRETS_ENDPOINT_TOKEN_FILE"
#: What AWS's SDKs would take other credentials from, or another store ("Settings
#: reference"; botocore's order of providers): each comes before the endpoint.
_OTHERS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_CREDENTIAL_FILE",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_ENDPOINT_URL",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
)
#: Files in the home folder that have the same effect.
_FILES = ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "BOTO_CONFIG")
#: Of MLflow, and before the token there.
_MLFLOW_OTHERS = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")


def of_endpoint(
    outer: Mapping[str, str], leases: Iterable[Lease], endpoint: Endpoint, folder: Path
) -> dict[str, str]:
    """Paths and addresses; AWS's SDKs find the first lease of an object store."""
    env = {**outer, ADDRESS: endpoint.address, TOKEN_FILE: str(endpoint.token_file)}
    stored = _stored(leases)
    if stored:
        env = _for_store(env, stored[0], folder)
        env["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = endpoint.url(stored[0].scope)
        env["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = str(endpoint.token_file)
    return env


def of_values(
    outer: Mapping[str, str], leases: Iterable[Lease], folder: Path
) -> dict[str, str]:
    """The values of the leases as they are now.

    Raises:
        CommandError: two leases have the same variables, or one has none.
    """
    env = dict(outer)
    taken: dict[str, str] = {}
    for lease in leases:
        credentials = lease.snapshot().credentials
        names = _VARIABLES.get(credentials.KIND)
        if names is None:
            raise CommandError(
                f"there are no variables for the {credentials.KIND} of {lease.scope}",
                remedy=f"leave out --env: the command asks ${ADDRESS}/{lease.scope}",
            )
        other = taken.setdefault(credentials.KIND, lease.scope)
        if other != lease.scope:
            raise CommandError(
                f"{other} and {lease.scope} would both be {', '.join(names.values())}",
                remedy="leave out --env, or run one command for each",
            )
        if credentials.KIND == "aws":
            env = _for_store(env, lease, folder)
        else:
            env = _without(env, _MLFLOW_OTHERS)
        for field, name in names.items():
            public = credentials.public.get(field)
            env[name] = public or credentials.reveal(field, "environment")
    return env


_VARIABLES = {
    "aws": {
        "access_key_id": "AWS_ACCESS_KEY_ID",
        "secret_access_key": "AWS_SECRET_ACCESS_KEY",
        "session_token": "AWS_SESSION_TOKEN",
    },
    "bearer": {"token": "MLFLOW_TRACKING_TOKEN"},
}


def _stored(leases: Iterable[Lease]) -> list[Lease]:
    return [lease for lease in leases if "endpoint_url" in lease.view.connection]


def _for_store(env: Mapping[str, str], lease: Lease, folder: Path) -> dict[str, str]:
    """The store's address, and nothing that leads AWS's SDKs to others."""
    nothing = folder / "nothing"
    nothing.touch(mode=0o600)
    return {
        **_without(env, _OTHERS),
        **dict.fromkeys(_FILES, str(nothing)),
        # They would ask there last, and wait long where it is not.
        "AWS_EC2_METADATA_DISABLED": "true",
        **place(lease.view.connection),
    }


def _without(env: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name not in names}
