"""The process under test, from outside."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).parents[2]
#: glibc's own defaults. Said aloud they stay what they are; else it raises them after
#: the first large block, such as an oversized answer, and keeps up to 14 MiB more for
#: later (measured), which hides whether anything leaks (mallopt(3)).
MALLOC = {"MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}


class Owner:
    """Starts `tests.soak.owner`, and talks to it.

    Args:
        config: what it is to know.
        folder: where its configuration and what it says on stderr go.
    """

    def __init__(self, config: dict[str, Any], folder: Path) -> None:
        path = folder / "owner.json"
        path.write_text(json.dumps(config))
        self.stderr = folder / "owner.stderr"
        with self.stderr.open("w") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.soak.owner", str(path)],
                cwd=ROOT,
                env={**os.environ, **MALLOC},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )

    def __enter__(self) -> Owner:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()

    def hear(self, what: str, timeout: float) -> dict[str, Any]:
        """What it says next.

        Raises:
            AssertionError: it says something else, or nothing for `timeout` seconds.
        """
        stdout = self.process.stdout
        assert stdout is not None
        ready, _, _ = select.select([stdout], [], [], timeout)
        line = stdout.readline() if ready else ""
        assert line, f"the owner did not say {what!r}:\n{self.stderr.read_text()}"
        said: dict[str, Any] = json.loads(line)
        assert said.pop("is") == what
        return said

    def go_on(self) -> None:
        """Have it do what comes next."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
