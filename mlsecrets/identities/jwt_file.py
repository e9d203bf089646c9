"""A JWT that the platform writes to a file: Kubernetes, SPIFFE, a CI system."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from ..keys import Key
from ._files import read_identity_file


class JWTFile:
    """Logs in at ``auth/MOUNT/login`` with a role and a JWT."""

    KIND: ClassVar[str] = "jwt-file"
    KEYS: ClassVar[Mapping[str, Key]] = {
        "path": Key("file", required=True, description="holds the JWT"),
        "role": Key("string", required=True, description="the role to log in as"),
        "mount": Key("string", description="where the method is mounted; else jwt"),
    }

    def __init__(self, name: str, values: Mapping[str, Any]) -> None:
        self._values = values

    @property
    def login_path(self) -> str:
        """Where to log in, below ``/v1/``."""
        return f"auth/{self._values.get('mount', 'jwt')}/login"

    def payload(self) -> bytes:
        """The login's body, from the file as it is now."""
        jwt = read_identity_file(self._values["path"], "the JWT")
        return json.dumps({"role": self._values["role"], "jwt": jwt}).encode()
