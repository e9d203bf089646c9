"""Starting the helper, and making sure that it ends."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.machinery import PathFinder
from pathlib import Path

from .._forks import start

#: After the standard library's own: a package beside ours must not stand in for it.
_CODE = """\
import sys
sys.path += sys.argv[1:]
from mlsecrets.sweep._helper import main
main()
"""
#: Seconds for a killed process to end.
_LAST_WAIT = 5.0


@contextmanager
def helper_process() -> Iterator[tuple[int, int, int]]:
    """A fresh interpreter that runs `_helper.main`; killed, if it still runs, after.

    Yields:
        its pid, and file descriptors to read from it and to write to it.

    Raises:
        OSError: it cannot be started.
    """
    if not sys.executable or getattr(sys, "frozen", False):
        # A bundled application would start itself once more.
        raise OSError(0, "sys.executable names no interpreter")
    process = _started()
    try:
        if (
            process.stdin is None or process.stdout is None
        ):  # never: both were asked for
            raise OSError(0, "it has no pipes")
        with process.stdin as stdin, process.stdout as stdout:
            yield process.pid, stdout.fileno(), stdin.fileno()
    finally:
        process.kill()  # also one that is done: it has nothing left to do
        with suppress(subprocess.TimeoutExpired):
            process.wait(_LAST_WAIT)


def _started() -> subprocess.Popen[bytes]:
    return start(
        # Isolated, and without site: nothing of the user's runs beside the secrets.
        [sys.executable, "-I", "-S", "-c", _CODE, *_paths()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        cwd="/",
        env=_environment(),
        start_new_session=True,  # Ctrl-C is for us, not for a sweep half done
    )


def _paths() -> list[str]:
    """Where this package is, and numpy if there is one."""
    paths = [str(Path(__file__).parents[2])]
    numpy = PathFinder.find_spec("numpy")
    if numpy is not None and numpy.origin is not None:
        paths.append(str(Path(numpy.origin).parents[1]))
    return paths


def _environment() -> dict[str, str]:
    """Little: the parent's may hold secrets."""
    import os

    # numpy would start a thread for each processor.
    single = dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"
    )
    # Where some interpreters find their own libraries.
    kept = {k: v for k in ("LD_LIBRARY_PATH",) if (v := os.environ.get(k))}
    return {"LC_ALL": "C.UTF-8", **single, **kept}
