"""Late injection: a secret is written into a request at the moment that it is sent.

Everything above sees placeholders: the program, `requests`, urllib3, their logs and
tracebacks. One step before the socket the head is composed anew, in locked memory.
"""

from ._adapter import LateAdapter
from ._again import give_back, rewound
from ._message import BASIC, check_place
from ._session import LateAuth, LateSession, preparing_late, scheme_of

__all__ = [
    "BASIC",
    "LateAdapter",
    "LateAuth",
    "LateSession",
    "check_place",
    "give_back",
    "preparing_late",
    "rewound",
    "scheme_of",
]
