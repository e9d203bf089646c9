"""What can go wrong on the command line alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import MLSecretsError


class CommandError(MLSecretsError):
    """A verb cannot do what it was asked.

    Args:
        status: what to exit with.
    """

    def __init__(
        self, message: str, *, remedy: str | None = None, status: int = 1
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.status = status


def unreadable(journal: Path, error: OSError) -> CommandError:
    """The error for a journal that is not there, or cannot be read."""
    return CommandError(
        f"the journal {journal} cannot be read: {(error.strerror or '').lower()}",
        remedy="name the file that the job was given, by configure(journal=FILE) or "
        "MLSECRETS_JOURNAL=FILE",
    )


def missing_extra(package: str, extra: str) -> CommandError:
    """The error for a package that only an extra installs."""
    return CommandError(
        f"the package {package} is not installed",
        remedy=f"pip install 'mlsecrets[{extra}]'",
    )


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Name the extra to install if the block lacks a package.

    Raises:
        CommandError: in place of the ModuleNotFoundError.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in {"", "mlsecrets"}:
            raise  # a bug of ours, which no installation mends
        raise missing_extra(package, extra) from None
