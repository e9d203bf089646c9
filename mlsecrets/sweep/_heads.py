"""How much of a token is not its own: what every token of its kind begins with.

Wiping that would ruin other tokens, which are alive. A JWT begins with its algorithm,
one of OpenBao with ``hvs.``; AWS session tokens of one region agree in their first 50
characters or so.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_JWT = re.compile(rb"eyJ[\w-]+\.(?=[\w-]+\.[\w-]+\Z)")
_PREFIX = re.compile(rb"(?:hv[sbr]|[sbr])\.(?=[\w-]+\Z)")
_SPACE = re.compile(rb"\s")
# Bytes of a token, by its length: what its beginning may have in common with others'.
_LONG, _SHARED_BY_LONG = 256, 64
_MIDDLE, _SHARED_BY_MIDDLE = 64, 16


class Heads(NamedTuple):
    """Numbers are bytes.

    Attributes:
        public: constant; not looked for at all.
        shared: after it, what another token may have, too: of a JWT, the claims.
        jwt: whether it is one.
        prose: whether there are spaces in it: no token, but words.
    """

    public: int
    shared: int
    jwt: bool
    prose: bool


def heads_of(value: memoryview) -> Heads:
    """How a token begins, judged by its looks."""
    prose = _SPACE.search(value) is not None
    jwt = _end_of(_JWT, value)
    if jwt:
        return Heads(jwt, _last_dot(value) + 1 - jwt, jwt=True, prose=prose)
    shared = 0
    if len(value) >= _LONG:
        shared = _SHARED_BY_LONG
    elif len(value) >= _MIDDLE:
        shared = _SHARED_BY_MIDDLE
    return Heads(_end_of(_PREFIX, value), shared, jwt=False, prose=prose)


def _end_of(pattern: re.Pattern[bytes], value: memoryview) -> int:
    # The match holds the view, and so must not outlive this.
    match = pattern.match(value)
    return 0 if match is None else match.end()


def _last_dot(value: memoryview) -> int:
    return max(i for i in range(len(value)) if value[i] == ord("."))


#: What tokens are written with, in any form of theirs.
_TOKEN = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=_.~%-"
)
_ANY_JWT = re.compile(rb".*eyJ[\w-]+\.[\w-]+\.[\w-]")


def is_of_another(stretch: memoryview, run: slice, origin: int, *, jwt: bool) -> bool:
    """Whether a run of shared bytes lies inside another token that is whole.

    Args:
        stretch: the memory around the run.
        run: where in it the run lies.
        origin: where in it the run's own token would begin, without its public head.
        jwt: whether the run is of a JWT.
    """
    start, end = run.start, run.stop
    while start > 0 and stretch[start - 1] in _TOKEN:
        start -= 1
    while end < len(stretch) and stretch[end] in _TOKEN:
        end += 1
    if not jwt:
        # It begins as ours does, and goes on differently.
        return bool(origin == run.start and end > run.stop)
    with stretch[start:end] as text:
        return _end_of(_ANY_JWT, text) > 0
