"""What the ranks of a job decide together; for this guest and others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist

from mlsecrets.errors import LeaseError


def any_rank(here: bool, group: Any = None) -> bool:  # noqa: FBT001  one operand
    """Whether any rank says so: a collective, of one number, where there are several.

    On a CPU if the group has a backend for it, such as gloo; else on its device.

    Args:
        here: what this rank says.
        group: the ranks; all of them if it is None.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return here
    flag = torch.tensor(int(here), device=_device(group))
    dist.all_reduce(flag, op=dist.ReduceOp.MAX, group=group)
    return bool(flag.item())


def together(action: Callable[[], None] | None, group: Any = None) -> None:
    """Do something on some ranks; no rank goes on before, and all fail if one does.

    Args:
        action: what this rank does; None if nothing.
        group: as for `any_rank`.

    Raises:
        LeaseError: it has failed on another rank.
    """
    failure: BaseException | None = None
    try:
        if action is not None:
            action()
    except BaseException as error:  # noqa: BLE001  raised when all ranks know of it
        failure = error
    if any_rank(failure is not None, group):
        raise failure or LeaseError(
            "another rank has failed, and this one must not go on alone",
            remedy="see what that rank says",
        )


def _device(group: Any) -> str:
    """Such as ``cpu``, from a group's configuration: ``cpu:gloo,cuda:nccl``."""
    configured = dist.get_backend_config(group).split(",")
    devices = [backend.partition(":")[0] for backend in configured]
    return "cpu" if "cpu" in devices else devices[0]
