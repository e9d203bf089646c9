"""AppRole: a role id and a secret id that the platform put in two files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ..keys import Key
from ..memory import Draft
from ._files import identity_file


class AppRole:
    """Logs in at ``auth/MOUNT/login`` with a role id and a secret id."""

    KIND: ClassVar[str] = "approle"
    KEYS: ClassVar[Mapping[str, Key]] = {
        "role_id_file": Key("file", required=True, description="holds the role id"),
        "secret_id_file": Key("file", required=True, description="holds the secret id"),
        "mount": Key("string", description="where the method is mounted; else approle"),
    }

    def __init__(self, name: str, values: Mapping[str, Any]) -> None:
        self._values = values

    @property
    def login_path(self) -> str:
        """Where to log in, below ``/v1/``."""
        return f"auth/{self._values.get('mount', 'approle')}/login"

    def payload(self) -> Draft:
        """The login's body, from the files as they are now."""
        values = self._values
        with (
            identity_file(values["role_id_file"], "the role id") as role_id,
            identity_file(values["secret_id_file"], "the secret id") as secret_id,
        ):
            body = Draft().add('{"role_id": "').add_json(role_id)
            return body.add('", "secret_id": "').add_json(secret_id).add('"}')
