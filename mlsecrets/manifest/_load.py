"""Reading `mlsecrets.toml` from its file."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

from ..errors import ManifestError, ManifestNotFound
from ._check import Check
from ._kinds import Kinds
from ._kinds import kinds as installed
from ._manifest import Manifest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def load(path: Path, kinds: Kinds | None = None) -> Manifest:
    """Read and check a manifest; nothing in it is ignored or guessed.

    Args:
        path: of the file.
        kinds: the kinds it may name; those installed, if absent.

    Raises:
        ManifestNotFound: there is no such file.
        ManifestError: it cannot be read or used. If its content is wrong, the error is
            a `ManifestProblems` that lists everything wrong.
    """
    path = path.absolute()
    content = _read(path)
    document = _parse(path, content)
    return Check(path, kinds or installed).manifest(
        document, digest=hashlib.sha256(content).hexdigest()
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ManifestNotFound(
            f"no manifest: {path} is not there",
            remedy="`mlsecrets init` writes one to fill in",
        ) from None
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise ManifestError(
            f"{path}: cannot be read: {reason}",
            remedy="expected a file that this user may read",
        ) from error


def _parse(path: Path, content: bytes) -> dict[str, Any]:
    try:
        document: dict[str, Any] = tomllib.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        byte = f"byte {content[error.start]:#04x}"
        line = content.count(b"\n", 0, error.start) + 1
        raise ManifestError(
            f"{path}: expected UTF-8, got {byte} on line {line}",
            remedy="save the file as UTF-8, without a byte order mark",
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise ManifestError(
            f"{path}: not TOML: {error}", remedy="see https://toml.io/en/v1.0.0"
        ) from None
    return document
