"""AppRole: a role id and a secret id that the platform put in two files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from ..keys import Key
from ._files import read_identity_file


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

    def payload(self) -> bytes:
        """The login's body, from the files as they are now."""
        role_id = read_identity_file(self._values["role_id_file"], "the role id")
        secret_id = read_identity_file(self._values["secret_id_file"], "the secret id")
        return json.dumps({"role_id": role_id, "secret_id": secret_id}).encode()
