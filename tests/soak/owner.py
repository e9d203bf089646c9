"""The process under test: holds the leases, reads on eight threads, has four workers.

Nothing else lives in it, so that its threads, descriptors and memory are those of a
job. ``python -m tests.soak.owner CONFIG`` talks JSON lines on stdin and stdout.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import select
import signal
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

from mlsecrets import Bundle, configure, lease
from mlsecrets.events import Event

from .readers import ReadingThread
from .reads import ByAuth, ByBoto3, ByFilesystem, BySnapshot, ByURL, Read
from .records import NEEDS, Notebook
from .workers import Crew, Job

#: Seconds that a reader may take to end.
PATIENCE = 30.0
#: Seconds for the callback of `configure`, which outlives leases, to get the last ones.
LAST_EVENTS = 2.0


class Raises:
    """A callback that is told of events, and raises at each one."""

    def __init__(self, kind: type[BaseException]) -> None:
        self.calls = 0
        self._kind = kind

    def __call__(self, event: Event) -> None:
        self.calls += 1
        raise self._kind(f"a callback of the soak, at {event.name}")


def main() -> None:
    """Lease, read until told to stop, let go, and say what became of it."""
    config = json.loads(Path(sys.argv[1]).read_text())
    notebooks = Path(config["notebooks"])
    warnings.simplefilter("error", ResourceWarning)
    logging.basicConfig(
        filename=config["log"],
        level=logging.WARNING,
        format="%(asctime)s %(process)d %(name)s %(message)s",
    )
    with (notebooks / "owner.trace").open("w") as trace:
        faulthandler.register(signal.SIGUSR1, trace, all_threads=True)
        callbacks = [Raises(RuntimeError), Raises(KeyError), Raises(SystemExit)]
        configure(
            config["manifest"],
            journal=config["journal"],
            on_outage="raise",
            on_event=callbacks[0],
        )
        with lease(*NEEDS) as creds:
            creds["train-data"].subscribe(callbacks[1], "issued", "replaced")
            creds["queue"].subscribe(callbacks[2])
            _hold(creds, config, notebooks)
        reports = {scope: str(creds[scope].report) for scope in NEEDS}
        _say(
            "done",
            reports=reports,
            callbacks=[callback.calls for callback in callbacks],
            threads=_left(),
        )
        sys.stdin.readline()  # looked at from outside once more, then let go


def _hold(creds: Bundle, config: dict[str, Any], notebooks: Path) -> None:
    resource, seed = config["resource"], config["seed"]
    readers = [
        ReadingThread(f"{index}-{read.kind}", read, Notebook(notebooks, f"t{index}"))
        for index, read in enumerate(_reads(creds, resource, seed))
    ]
    for reader in readers:
        reader.start()
    crew = Crew(Job(notebooks, resource, os.getpid(), "", seed), config["epoch"])
    crew.start()
    _say("ready", socket=os.environ["MLSECRETS_SOCK"])
    while not select.select([sys.stdin], [], [], 0.5)[0]:
        crew.tend()
    sys.stdin.readline()
    threads = sorted(thread.name for thread in threading.enumerate())
    crew.stop()
    for reader in readers:
        reader.stop()
    book = Notebook(notebooks, "owner")
    for reader in readers:
        reader.join(PATIENCE)
        if reader.is_alive():
            faulthandler.dump_traceback(all_threads=True)
            book.write(f"{reader.name} hung")
    # What a thief would have had: whether it is worth anything is tried afterwards.
    _say("stolen", workers=crew.started, threads=threads, **_stolen(creds))
    sys.stdin.readline()


def _reads(creds: Bundle, resource: str, seed: int) -> list[Read]:
    data, jwt, user = creds["train-data"], creds["mlflow"], creds["queue"]
    return [
        ByBoto3(data, seed),
        ByBoto3(data, seed + 1),
        ByFilesystem(data, seed + 2),
        ByURL(data, seed + 3),
        ByAuth(jwt, seed + 4, f"{resource}/jwt"),
        BySnapshot(jwt, seed + 5, f"{resource}/jwt"),
        ByAuth(user, seed + 6, f"{resource}/user"),
        BySnapshot(user, seed + 7, f"{resource}/user"),
    ]


def _stolen(creds: Bundle) -> dict[str, Any]:
    key = creds["train-data"].snapshot().credentials
    return {
        "aws": [
            key.public["access_key_id"],
            key.reveal("secret_access_key"),
            key.reveal("session_token"),
        ],
        "jwt": creds["mlflow"].snapshot().credentials.reveal("token"),
        "user": creds["queue"].snapshot().credentials.public["username"],
    }


def _left() -> list[str]:
    """Threads of mlsecrets that do not end."""
    ours = [t for t in threading.enumerate() if t.name.startswith("mlsecrets")]
    for thread in ours:
        thread.join(LAST_EVENTS)
    return [thread.name for thread in ours if thread.is_alive()]


def _say(what: str, **content: Any) -> None:
    sys.stdout.write(json.dumps({"is": what, **content}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
