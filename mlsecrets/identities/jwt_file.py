"""A JWT that the platform writes to a file: Kubernetes, SPIFFE, a CI system."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from ..keys import Key
from ..memory import Draft
from ._files import identity_file


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

    def payload(self) -> Draft:
        """The login's body, from the file as it is now."""
        role = json.dumps(self._values["role"])
        with identity_file(self._values["path"], "the JWT") as jwt:
            return Draft().add(f'{{"role": {role}, "jwt": "').add_json(jwt).add('"}')
