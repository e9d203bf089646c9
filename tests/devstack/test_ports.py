"""Ports come in the shapes that engines take, free, and out of the kernel's way."""

from __future__ import annotations

import random
import socket

import pytest

from mlsecrets.devstack import _ports
from mlsecrets.devstack._errors import DevStackError

SHAPES = {
    "bao": _ports.OPENBAO,
    **{f"weed-{n}": _ports.SEAWEEDFS for n in range(5)},
    "one": _ports.SINGLE,
}


def everything(found: dict[str, int]) -> list[int]:
    """Every port that these engines will bind."""
    return [found[name] + offset for name in SHAPES for offset in SHAPES[name]]


def test_no_two_engines_share_a_port() -> None:
    """Not even the ports at a distance that an engine takes by itself."""
    ports = everything(_ports.allocate(SHAPES))
    assert len(set(ports)) == len(ports)


def test_every_port_can_be_bound() -> None:
    """Nothing is held any more when the engines come to bind."""
    for port in everything(_ports.allocate(SHAPES)):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", port))


def test_no_port_is_one_that_the_kernel_hands_out() -> None:
    """An outgoing connection cannot take what we are about to bind."""
    assert all(1024 < port < 32768 for port in everything(_ports.allocate(SHAPES)))


def test_a_base_is_skipped_if_a_port_at_a_distance_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """OpenBao also needs the next port, SeaweedFS the one 10000 further."""
    with socket.socket() as taken:
        free = _ports.allocate({"bao": _ports.OPENBAO})["bao"]
        taken.bind(("127.0.0.1", free + 1))
        offered = iter([free, free + 2])
        monkeypatch.setattr(random, "randrange", lambda *_: next(offered))
        assert _ports.allocate({"bao": _ports.OPENBAO})["bao"] == free + 2


def test_no_free_port_is_an_error_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It does not try for ever."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        monkeypatch.setattr(random, "randrange", lambda *_: port)
        with pytest.raises(DevStackError, match="no free loopback ports") as caught:
            _ports.allocate({"one": _ports.SINGLE})
    assert caught.value.remedy
