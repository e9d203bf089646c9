"""The keeper's own process.

It reads its orders from standard input, forks so that it is nobody's child, listens,
says so on standard output, and from then on serves leases until nobody needs any. The
long-lived identity is read and the logins are held here, and only here.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from .._broker._place import Place
from .._broker._wire import error_head
from .._broker.serve import Broker
from .._session import Options, Session
from ..clock import SYSTEM_CLOCK
from ..errors import MLSecretsError, OwnerGone
from ..events import Journal
from ..manifest import load
from ..memory import Posture
from .start import Orders

#: Seconds until the first member has to be there: it has started this process.
WELCOME = 30.0
#: Seconds without a member after which the keeper ends: a rank that is restarted, or
#: the next cell of a notebook, finds it still there. It holds no credentials then.
LINGER = 2.0
#: Signals that a terminal, a batch system or a shutdown sends to everybody: the
#: trainer decides what becomes of the leases, and may need them to save its work. SLURM
#: sends whichever it is told to (sbatch --signal), and SIGTSTP before it suspends.
NOT_FOR_US = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGTSTP,
)


def main() -> int:
    """Keep leases; the exit status."""
    try:
        orders = Orders(**json.loads(sys.stdin.buffer.read()))
    except (ValueError, TypeError):
        return _say(error_head(OwnerGone("a keeper is started by `configure`, alone")))
    if os.fork() != 0:
        # Nobody waits for the child. What it says goes to the pipe that it inherits.
        os._exit(0)
    for number in NOT_FOR_US:
        signal.signal(number, signal.SIG_IGN)
    Posture().harden()
    place = Place(Path(orders.folder))
    try:
        if not place.take():
            return _say({"ready": False})
        session = _session(orders)
        broker = session.stand_by(
            place, tuple(orders.roots), succeeding=orders.succeeding
        )
    except (MLSecretsError, OSError) as error:
        place.give_up()
        return _say(error_head(_told(error)))
    _say({"ready": True})
    _serve(broker)
    session.close()
    return 0


def _told(error: MLSecretsError | OSError) -> MLSecretsError:
    if isinstance(error, MLSecretsError):
        return error
    what = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return OwnerGone(f"the keeper could not begin ({what})")


def _session(orders: Orders) -> Session:
    return Session(
        load(Path(orders.manifest)),
        clock=SYSTEM_CLOCK,
        journal=Journal(Path(orders.journal) if orders.journal else None),
        options=Options(sweeping="never", patience=orders.patience, peers=orders.peers),
    )


def _serve(broker: Broker) -> None:
    """Wait for the first member, and then until the last one has been gone a while."""
    broker.members.await_some(WELCOME)
    while len(broker.members):
        broker.members.await_none(None)
        broker.members.await_some(LINGER)


def _say(answer: dict[str, object]) -> int:
    """Answer whoever started this, and let go of the pipe that he reads."""
    os.write(1, json.dumps(answer).encode())
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.close(nothing)
    return 1 if "error" in answer else 0


if __name__ == "__main__":
    sys.exit(main())
