"""Refusing values that hold a live secret, before they are written anywhere.

::

    from mlsecrets import refuse_secrets

    refuse_secrets(params, "the tags of the run")  # SecretLeak, or nothing

Live are the secrets of every credential that this process holds, leased here or read
from the process that leases, logins included, from their issue until they are wiped.
A secret is found as it is or inside a longer text or bytes, and as base64, hex, a
percent-encoded or a JSON string of it. What is looked for are its last 48 bytes, since
the beginning of a token is often the same in all. One of fewer than 8 bytes would turn
up by chance: it is found only where it stands alone. Compressed, encrypted or cut texts
are not seen through, nor is a sum of pieces.

Containers are searched to any depth, cycles included: mappings with their keys, lists,
tuples, sets, dataclasses, namespaces, paths, exceptions, functions with what they carry
along, and other objects that pickle by their attributes. Tensors and arrays are not
looked into. It takes time in proportion to the size of the value, as writing it does.
"""

from __future__ import annotations

from typing import Any

from ..errors import SecretLeak
from ._logs import withhold_from_logs
from ._search import Finding, first, search

__all__ = ["Finding", "find_secrets", "refuse_secrets", "withhold_from_logs"]


def refuse_secrets(value: Any, where: str) -> None:
    """Make sure that a value holds no live secret; it is not changed.

    Args:
        value: what is about to be written, sent or shown.
        where: to where, such as ``hparams.yaml``: the error says so.

    Raises:
        SecretLeak: it does. The message says which secret and where in the value, and
            not the secret itself.
    """
    finding = first(value)
    del value  # a traceback that shows local variables does not show it from here
    if finding is not None:
        raise SecretLeak(
            f"{where} would hold {finding}; nothing was written",
            remedy="leave it out, or put the lease's reference there: it holds no "
            "secret, and is read where it is used",
        )


def find_secrets(value: Any) -> list[Finding]:
    """Every place of a value that holds a live secret."""
    return list(search(value))
