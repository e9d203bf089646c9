"""Asking the store for what a lease does not cover; the store itself has to refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mlsecrets import Bundle

from .data import store_error
from .plan import DATA


def try_outside(checkpoint: str, creds: Bundle) -> list[dict[str, str]]:
    """What the store answers to requests that `train-data` does not cover.

    The lease is pinned, so the requests are sent and the store judges. Beginning at
    byte 0 saves asking for the size first: a refused HEAD comes without the reason.

    Args:
        checkpoint: an object that exists, and that another lease may read.
        creds: the open leases.
    """
    fs = creds["train-data"].filesystem()
    attempts: dict[str, Callable[[], Any]] = {
        "read a checkpoint": lambda: fs.cat_file(checkpoint, start=0),
        "read s3://datasets/other/a": lambda: fs.cat_file("datasets/other/a", start=0),
        f"write into s3://{DATA}/": lambda: fs.pipe_file(f"{DATA}/intruder", b"x"),
    }
    return [{"what": what, "answer": _answer(ask)} for what, ask in attempts.items()]


def _answer(ask: Callable[[], Any]) -> str:
    try:
        ask()
    except OSError as error:
        return store_error(error)
    return "allowed"
