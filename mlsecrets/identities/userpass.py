"""userpass: a name, and a password in a file; for people and for tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ..keys import Key
from ..memory import Draft
from ._files import identity_file


class UserPass:
    """Logs in at ``auth/MOUNT/login/USERNAME`` with a password."""

    KIND: ClassVar[str] = "userpass"
    KEYS: ClassVar[Mapping[str, Key]] = {
        "username": Key(
            "string", required=True, description="the user", pattern=r"[\w.@-]+"
        ),
        "password_file": Key("file", required=True, description="holds the password"),
        "mount": Key(
            "string", description="where the method is mounted; else userpass"
        ),
    }

    def __init__(self, name: str, values: Mapping[str, Any]) -> None:
        self._values = values

    @property
    def login_path(self) -> str:
        """Where to log in, below ``/v1/``."""
        mount = self._values.get("mount", "userpass")
        return f"auth/{mount}/login/{self._values['username']}"

    def payload(self) -> Draft:
        """The login's body, from the file as it is now."""
        with identity_file(self._values["password_file"], "the password") as password:
            return Draft().add('{"password": "').add_json(password).add('"}')
