"""Pictures of the badge in every state: a real lease in a real JupyterLab.

::

    python -m venv .venv-lab
    .venv-lab/bin/pip install -e '.[stack,ipython]' jupyterlab playwright
    .venv-lab/bin/python docs/badge_pictures.py [CHROMIUM]

One cell leases; its badge follows the lease while the issuer goes away and comes back.
Another one prints the secret. The notebook that JupyterLab then saves is searched for
it. Nothing is installed or downloaded; CHROMIUM is ``/usr/bin/chromium``.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.error import URLError

from playwright.sync_api import Page, sync_playwright

from mlsecrets.devstack import DevStack

IMAGES = Path(__file__).with_name("images")
#: Seconds that credentials live: long enough for a picture of each state.
TTL = 20.0
PATIENCE = 120.0
CELLS = (
    "%load_ext mlsecrets_ipython",
    "data = %lease train-data",
    # What to search for; and an output that would have it.
    "key = data.snapshot().credentials.reveal('secret_access_key')\n"
    "open('secret', 'w').write(key)\n"
    "print('the key is', key)",
    "%release",
)
BADGE = ".jp-OutputArea [role=status]"
#: As for any page that is shown without a screen, without calls to anybody.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def lab(folder: Path, manifest: Path) -> Iterator[str]:
    """JupyterLab on loopback; the address of the notebook."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    environment = {
        **os.environ,
        "MLSECRETS_CONFIG": str(manifest),
        "JUPYTER_TOKEN": token,
        "IPYTHONDIR": str(folder / "ipython"),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
    }
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
            *(f"--port={port}", "--ip=127.0.0.1", f"--notebook-dir={folder}"),
        ],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + PATIENCE
        while not _answers(f"{address}/api?token={token}"):
            if time.monotonic() > until or server.poll() is not None:
                raise RuntimeError(f"JupyterLab did not start ({server.returncode})")
            time.sleep(0.2)
        yield f"{address}/lab/tree/badge.ipynb?token={token}"
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address):
            return True
    except URLError:
        return False


def picture(page: Page, state: str, name: str) -> None:
    """Wait until the badge says so, and take it."""
    badge = page.locator(BADGE, has_text=state).first
    badge.wait_for(timeout=PATIENCE * 1000)
    badge.screenshot(path=IMAGES / f"badge-{name}.png")
    print(f"{name}: {badge.inner_text()}")


def run(page: Page, cell: int) -> None:
    """Run one cell of the notebook."""
    page.locator(".jp-CodeCell .jp-InputArea-editor").nth(cell).click()
    page.keyboard.press("Shift+Enter")


def show(page: Page, stack: DevStack) -> None:
    """Have the badge go through its states."""
    page.locator("text=official Jupyter news").wait_for()
    page.get_by_role("button", name="No", exact=True).click()
    page.locator(".jp-CodeCell").nth(len(CELLS) - 1).wait_for(timeout=PATIENCE * 1000)
    page.locator("text=Python 3").first.wait_for(timeout=PATIENCE * 1000)
    for cell in range(len(CELLS) - 1):
        run(page, cell)
    picture(page, ": open", "open")
    page.locator(".jp-OutputArea", has_text="withheld").first.wait_for()
    with stack.away("openbao"):
        picture(page, "renewal failing", "failing")
        picture(page, "doomed", "doomed")
        picture(page, "expired", "expired")
        page.screenshot(path=IMAGES / "notebook.png")
    picture(page, ": open", "open-again")
    (IMAGES / "badge-open-again.png").unlink()
    run(page, len(CELLS) - 1)
    picture(page, ": ended", "ended")
    page.keyboard.press("Control+s")
    page.locator(".jp-OutputArea", has_text="revoked").first.wait_for()


def notebook() -> dict[str, Any]:
    """Its cells, as they are stored (nbformat 4.5)."""
    cell: dict[str, Any] = {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {},
        "outputs": [],
    }
    return {
        "cells": [{**cell, "id": f"c{n}", "source": c} for n, c in enumerate(CELLS)],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def saved(path: Path) -> str:
    """The notebook's text, once JupyterLab has saved the end of it."""
    until = time.monotonic() + PATIENCE
    while "ended" not in path.read_text():
        if time.monotonic() > until:
            raise RuntimeError("JupyterLab has not saved the notebook")
        time.sleep(0.2)
    return path.read_text()


def main(chromium: str = "/usr/bin/chromium") -> None:
    """Take the pictures, and search the notebook."""
    IMAGES.mkdir(exist_ok=True)
    with (
        TemporaryDirectory() as name,
        DevStack(ttl=TTL) as stack,
        lab(Path(name), stack.manifest_path) as address,
        sync_playwright() as playwright,
    ):
        folder = Path(name)
        (folder / "badge.ipynb").write_text(json.dumps(notebook()))
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(
            viewport={"width": 900, "height": 620}, device_scale_factor=2
        )
        page.goto(address)
        show(page, stack)
        text = saved(folder / "badge.ipynb")
        browser.close()
        secret = (folder / "secret").read_text()
    if secret in text or len(secret) < 16:
        raise SystemExit("the notebook holds the secret")
    print(f"badge.ipynb, {len(text)} characters: no secret")


if __name__ == "__main__":
    main(*sys.argv[1:])
