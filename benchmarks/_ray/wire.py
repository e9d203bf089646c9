"""What nodes ask of the issuers: counted, and every secret learned for the search."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from _residue.recorder import Recorder
from _residue.secrets import SECRET_ID, Seen

from mlsecrets.devstack import DevStack

#: Calls that give out credentials, by what is asked.
LOGIN, IDENTITY, SESSION = "login", "web identity", "STS session"


class Heard(Seen):
    """Secrets as they pass, and how often each kind of credential was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self._counting = threading.Lock()
        self.calls: Counter[str] = Counter()

    def hear(self, path: str, request: bytes, answer: bytes) -> None:
        """Count what was asked, and learn what was told."""
        kind = _kind(path, request)
        if kind is not None:
            with self._counting:
                self.calls[kind] += 1
        super().hear(path, request, answer)


def _kind(path: str, request: bytes) -> str | None:
    if path.startswith("/v1/auth/") and path.endswith("/login"):
        return LOGIN
    if path.startswith("/v1/identity/oidc/token/s3"):
        return IDENTITY
    if b"Action=AssumeRoleWithWebIdentity" in request:
        return SESSION
    return None


@dataclass(frozen=True)
class Wire:
    """A way to the stack that is listened to.

    Attributes:
        heard: what passed.
        manifest: leads there; its ``checkpoints`` are shared with workers.
    """

    heard: Heard
    manifest: Path


@contextmanager
def listening(stack: DevStack) -> Iterator[Wire]:
    """Recorders before the issuer, the store with its STS, and the revoker."""
    heard = Heard()
    text = stack.manifest_path.read_text()
    with ExitStack() as exits:
        for address in (
            stack.openbao.address,
            stack.store.address,
            stack.revoker.address,
        ):
            recorder = exits.enter_context(Recorder(address, heard, None))
            text = text.replace(address, recorder.address)
        # Train's controller and workers write there without a block of their own.
        head = "[scopes.checkpoints]\n"
        text = text.replace(head, f"{head}workers = true\n")
        text = re.sub(r'(_file = )"([^"/]+)"', rf'\1"{stack.folder}/\2"', text)
        path = stack.folder / "ray.toml"
        path.write_text(text)
        exits.callback(path.unlink)
        heard.add(SECRET_ID, stack.openbao.secret_id_file.read_text())
        yield Wire(heard, path)
