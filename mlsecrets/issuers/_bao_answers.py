"""Where in OpenBao's answers the credential lies."""

from __future__ import annotations

from collections.abc import Mapping

from ..credentials import AWSCredentials, BearerToken, Credentials, UsernamePassword
from ..errors import BadAnswer
from ..memory import Sealed
from ..scope import Scope
from ._fields import part
from ._sealed_json import Object

#: What the engines call the fields of each shape: aws (``security_token`` in the AWS
#: engine), database and ldap, identity tokens and KV.
USUAL_NAMES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "aws": {
        "access_key_id": ("access_key", "access_key_id"),
        "secret_access_key": ("secret_key", "secret_access_key"),
        "session_token": ("security_token", "session_token"),
    },
    "username-password": {"username": ("username",), "password": ("password",)},
    "bearer": {"token": ("token",)},
}
#: Of an answer's keys, how many are named in an error, and up to which length.
MOST_KEYS = 12
LONGEST_KEY = 40


def is_identity_token(path: str) -> bool:
    """Whether a path is OpenBao's own OIDC issuer."""
    return path.startswith("identity/oidc/token/")


def is_static(path: str) -> bool:
    """Whether a path looks like KV version 2, which stores and never leases."""
    return len(path.split("/")) > 2 and path.split("/")[1] == "data"


def credentials_of(scope: Scope, content: Object, where: str) -> Credentials:
    """The credentials in an answer, copied from its memory to their own.

    Raises:
        BadAnswer: no shape fits; the message names keys, never values.
    """
    data = part(content, "data", where)
    inner = data.get("data")
    if isinstance(inner, dict) and "metadata" in data:
        data = inner  # KV version 2 wraps the secret once more
    wanted = scope.options.get("credentials")
    for kind in [wanted] if wanted else list(USUAL_NAMES):
        values = _pick(kind, data, scope.options.get("fields", {}))
        if values is not None:
            return _make(kind, values)
    raise BadAnswer(
        f"{where} answers {scope.options['path']} with the keys "
        f"{_names(data)}: no {wanted or 'known'} credential",
        remedy="say which key is which, such as fields = { token = "
        '"hf_token" }, in the scope',
    )


def _pick(
    kind: str, data: Object, renamed: Mapping[str, str]
) -> dict[str, Sealed] | None:
    values: dict[str, Sealed] = {}
    for field, usual in USUAL_NAMES[kind].items():
        names = (renamed[field],) if field in renamed else usual
        value = next((data[name] for name in names if data.get(name)), None)
        if not isinstance(value, Sealed):
            return None
        values[field] = value
    return values


def _names(data: Object) -> str:
    """The keys of an answer, as far as they can be shown."""
    shown = sorted(key for key in data if key.isprintable() and len(key) <= LONGEST_KEY)
    return ", ".join(shown[:MOST_KEYS]) or "(none)"


def _make(kind: str, values: Mapping[str, Sealed]) -> Credentials:
    if kind == "aws":
        key_id = values["access_key_id"].text()
        return AWSCredentials.of(
            key_id, values["secret_access_key"], values["session_token"]
        )
    if kind == "bearer":
        return BearerToken.of(values["token"])
    return UsernamePassword.of(values["username"].text(), values["password"])
