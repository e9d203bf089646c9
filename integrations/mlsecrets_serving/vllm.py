"""vLLM: its processes read the leases of the process that started them."""

from __future__ import annotations


def attach() -> None:
    """What vLLM calls in each of its processes (group ``vllm.general_plugins``)."""
