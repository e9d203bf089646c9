"""The real store's STS, and the revoker, behind breakable lines."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from mlsecrets import configure
from mlsecrets.clock import Clock
from mlsecrets.devstack import DevStack
from tests.faults.troubles import Line

#: Where sessions are made, and where the revoker is asked to end them.
ASSUME = "/"
END = "/v1/end-session"


class Store:
    """One STS and one revoker, with two lines to each; OpenBao is asked directly.

    Args:
        stack: the real servers.
        folder: for certificates and manifests.

    Attributes:
        sts: the line to the STS, by whether it has TLS.
        revoker: the line to the revoker, likewise.
    """

    def __init__(self, stack: DevStack, folder: Path) -> None:
        self._folder = folder
        self._addresses = (stack.store.address, stack.revoker.address)
        sts, revoker = self._addresses
        self.sts = {False: Line(sts), True: Line(sts, "sts", folder)}
        self.revoker = {
            False: Line(revoker),
            True: Line(revoker, "revoker", folder),
        }
        # Relative paths in it mean files beside the original.
        self._manifest = re.sub(
            r'(_file = )"([^"/]+)"',
            rf'\1"{stack.folder}/\2"',
            stack.manifest_path.read_text(),
        )
        self._stack = ExitStack()

    def __enter__(self) -> Store:
        for line in (*self.sts.values(), *self.revoker.values()):
            self._stack.enter_context(line)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def configure(
        self,
        clock: Clock,
        *,
        sts: Line | None = None,
        revoker: Line | None = None,
        **settings: Any,
    ) -> None:
        """Have this process lease over these lines, directly where there is none."""
        text = self._manifest
        for address, line, direct in (
            # What reads objects goes to the store itself.
            (self._addresses[0], sts, f'\nendpoint = "{self._addresses[0]}"'),
            (self._addresses[1], revoker, ""),
        ):
            if line is not None:
                line.heal()
                line.proxy.seen.clear()
                old = f'address = "{address}"'
                assert old in text
                new = f'address = "{line.address}"{direct}\n{line.ca_file}'
                text = text.replace(old, new)
        path = self._folder / "mlsecrets.toml"
        path.write_text(text)
        configure(path, clock=clock, **settings)
