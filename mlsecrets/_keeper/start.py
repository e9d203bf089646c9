"""Starting a keeper, from a process that needs leases and will not own them itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .. import _forks
from .._broker._peers import Peers
from .._broker._place import Place
from .._broker._socket import ENVIRONMENT
from .._broker._wire import error_of
from ..errors import OwnerGone

#: Seconds that a keeper may take until it listens: an interpreter and our imports.
PATIENCE = 30.0


@dataclass(frozen=True)
class Orders:
    """What a keeper is told: paths and settings, nothing secret.

    Attributes:
        folder: of the place where it is to serve.
        manifest: path of ``mlsecrets.toml``, absolute.
        journal: path of the file that it appends events to, if any.
        patience: seconds for which readers wait for an absent issuer; see `configure`.
        peers: who may connect.
        roots: processes whose descendants belong to the job.
        succeeding: whether it takes over from an owner that has gone.
    """

    folder: str
    manifest: str
    journal: str | None
    patience: float
    peers: Peers
    roots: Sequence[int]
    succeeding: bool = False


def start(place: Place, orders: Orders) -> None:
    """Start a keeper at a place; returns when it listens, or finds another there.

    It inherits the environment and no descriptor, and is nobody's child: it ends by
    itself when the last process has left that leases through it.

    Raises:
        OwnerGone: it could not be started; the message says why.
        ManifestError, ...: what it said itself.
    """
    if not sys.executable:
        raise OwnerGone(
            "no keeper can be started: this program does not say where its Python is",
            remedy='use configure(keeper="thread"), or set sys.executable',
        )
    environ = {name: v for name, v in os.environ.items() if name != ENVIRONMENT}
    try:
        status, said = _ran(
            [sys.executable, "-m", "mlsecrets._keeper"],
            json.dumps(asdict(orders)).encode(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd=_import_folder(),
            env=environ,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise _not_started(place, reason) from None
    _raise_if_wrong(place, status, said)


def _ran(command: Sequence[str], told: bytes, **options: Any) -> tuple[int, bytes]:
    """Run it; its status, and what it said."""
    with _forks.start(command, **options) as process:
        try:
            said, _ = process.communicate(told, PATIENCE)
        except BaseException:
            process.kill()
            raise
        return process.returncode, said


def _raise_if_wrong(place: Place, status: int, said: bytes) -> None:
    try:
        answer: dict[str, Any] = json.loads(said)
    except ValueError:
        raise _not_started(place, f"it ended with status {status}") from None
    if "error" in answer:
        raise error_of(answer)


def _not_started(place: Place, reason: str) -> OwnerGone:
    return OwnerGone(
        f"the keeper at {place.folder} did not start: {reason}",
        remedy=f"try: {sys.executable} -m mlsecrets._keeper </dev/null",
    )


def _import_folder() -> Path:
    """Where our package lies, for interpreters that find it by their folder only."""
    return Path(__file__).absolute().parents[2]
