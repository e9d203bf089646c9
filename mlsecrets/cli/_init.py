"""``mlsecrets init``: a manifest to start from."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

EXAMPLE = "https://openbao.example.org:8200"


def init(
    openbao: Annotated[
        str, typer.Option(metavar="URL", help="Where your OpenBao or Vault answers.")
    ] = EXAMPLE,
    force: Annotated[
        bool, typer.Option("--force", help="Replace an mlsecrets.toml that is there.")
    ] = False,
) -> None:
    """Write a commented mlsecrets.toml to start from.

    It goes into the working directory and loads as it is. Edit the names in it, then
    run `mlsecrets doctor`.
    """
    from ..manifest import FILE_NAME
    from ._errors import CommandError
    from ._starter import manifest

    text = manifest(openbao.rstrip("/"))
    _check(text)
    path = Path.cwd() / FILE_NAME
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise CommandError(
            f"{path} is there already and stays as it is",
            remedy="--force replaces it",
        ) from None
    except OSError as error:
        raise CommandError(
            f"{path} cannot be written: {(error.strerror or str(error)).lower()}",
            remedy="go to a folder that you may write to",
        ) from None
    typer.echo(f"wrote {path}")
    typer.echo("next: edit the names in it, then run `mlsecrets doctor`")


def _check(text: str) -> None:
    """Refuse an address that the manifest could not be loaded with."""
    from ..manifest import FILE_NAME, ManifestProblems, load

    with tempfile.TemporaryDirectory(prefix="mlsecrets-") as folder:
        draft = Path(folder) / FILE_NAME
        draft.write_text(text, encoding="utf-8")
        try:
            load(draft)
        except ManifestProblems as problems:
            what = problems.problems[0].partition(": address: ")[2]
            if not what:
                raise  # not of the user's making
            raise typer.BadParameter(what, param_hint="'--openbao'") from None
