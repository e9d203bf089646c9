"""The keys that every manifest has, whatever its kinds."""

from __future__ import annotations

from collections.abc import Mapping

from ..keys import Key

API = "mlsecrets/v1"

NAME = r"[a-z][a-z0-9-]{0,62}"

# The expression that semver.org suggests, without its named groups.
SEMVER = (
    r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)"
    r"(-(0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
    r"(\.(0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*))*)?"
    r"(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?"
)

GROUPS: Mapping[str, str] = {
    "identities": "how this process proves who it is, by name",
    "issuers": "the services that mint credentials, by name",
    "revokers": "the platform's services that end sessions early, by name",
    "scopes": "the rights that can be leased, by name",
}

_VERSION = Key(
    "string",
    required=True,
    description="a semantic version such as 1.0.0",
    pattern=SEMVER,
)

TOP_KEYS: Mapping[str, Key] = {
    "api": Key(
        "string",
        required=True,
        description="the format of this file",
        choices=(API,),
    ),
    "name": Key(
        "string",
        required=True,
        description="a name of lower-case letters, digits and dashes",
        pattern=NAME,
    ),
    "version": _VERSION,
}

SCOPE_KEYS: Mapping[str, Key] = {
    "owner": Key("string", required=True, description="whom to ask about this right"),
    "version": _VERSION,
    "issuer": Key("issuer", required=True, description="which issuer mints it"),
    "ttl": Key(
        "duration",
        required=True,
        description="how long one issue or renewal lives, such as 15m",
    ),
    "max_ttl": Key(
        "duration",
        required=True,
        description="how long one set of credentials may live, renewals included, "
        "such as 12h",
    ),
    "access": Key(
        "list",
        required=True,
        description="what the credentials may do: 'read s3://bucket/pattern', "
        "'write s3://bucket/pattern' or 'use https://host'",
    ),
    "workers": Key(
        "boolean",
        description="whether worker processes may read it without a block of their "
        "own; if absent, those scopes that only read objects are shared so",
    ),
}
