"""The stack's folder is private, is nobody else's, and is left tidy."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlsecrets.devstack._errors import DevStackError
from mlsecrets.devstack._folder import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    """One that the user named."""
    made = Folder(tmp_path / "new" / "stack")
    yield made
    made.release()


def mode(path: Path) -> int:
    """Permission bits."""
    return path.stat().st_mode & 0o777


def test_nobody_else_can_look_in(folder: Folder) -> None:
    """0700 and 0600, whatever the umask says."""
    folder.secret("password")
    assert mode(folder.path) == 0o700
    assert mode(folder.logs) == 0o700
    assert mode(folder.path / "password") == 0o600


def test_a_secret_is_random_and_in_its_file(folder: Folder) -> None:
    """256 bits, base64url: 43 characters."""
    first, second = folder.secret("one"), folder.secret("two")
    assert first != second
    assert (folder.path / "one").read_text() == first
    assert len(first) == 43


def test_a_folder_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """It is not ours to change its mode."""
    tmp_path.chmod(0o755)
    with pytest.raises(DevStackError, match="private to this user, got mode 755"):
        Folder(tmp_path)


def test_a_folder_with_other_things_in_it_is_refused(tmp_path: Path) -> None:
    """The stack empties its folder at the end: it must be the stack's."""
    (tmp_path / "thesis.tex").write_text("...")
    with pytest.raises(DevStackError, match="not empty"):
        Folder(tmp_path)
    assert (tmp_path / "thesis.tex").exists()


def test_a_former_stack_s_folder_can_be_used_again(folder: Folder) -> None:
    """What that one left, after a power cut say, is cleared."""
    folder.secret("password")
    folder.release()
    again = Folder(folder.path)
    assert not (folder.path / "password").exists()
    again.release()
    folder._lock = again._lock  # released by the fixture
    folder._lock = Folder(folder.path)._lock


def test_two_stacks_cannot_share_a_folder(folder: Folder) -> None:
    """The second one, in another process, is told so."""
    script = (
        "import sys, pathlib\n"
        "from mlsecrets.devstack._folder import Folder\n"
        "Folder(pathlib.Path(sys.argv[1]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder.path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "another development stack lives in" in done.stderr
