"""A keeper that dies: noticed, and replaced by one other, while leases are valid."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.keeper.conftest import Start
from tests.keeper.trainer import events, eventually

#: Reads all the time, as does a worker without a block of its own; tells of failures.
READING = """
import subprocess
WORKER = '''
import sys, threading
from mlsecrets import Reference
done = threading.Thread(target=sys.stdin.read)
done.start()
source, reads = Reference("train-data").source(), 0
print("begun", flush=True)
while done.is_alive():
    source.snapshot()
    reads += 1
    done.join(0.005)
print(reads, flush=True)
'''
def read():
    global reads
    while not done.is_set():
        try:
            data.snapshot()
            reads += 1
        except BaseException as error:
            failed.append(repr(error))
        time.sleep(0.002)

reads, failed, done = 0, [], threading.Event()
with lease("train-data") as data:
    reader = threading.Thread(target=read)
    reader.start()
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    worker.stdout.readline()
    tell(keeper())
    heard()
    done.set()
    reader.join()
    out, _ = worker.communicate()
    tell([reads, failed, worker.returncode, int(out or 0), keeper()])
"""


def test_a_keeper_that_dies_is_replaced_once(
    start: Start, journal: Path, tmp_path: Path
) -> None:
    """Though two trainers notice it at once; neither they nor workers fail a read."""
    environ = {**os.environ, "MLSECRETS_JOB": str(tmp_path)}
    # Longer than a machine with too much to do takes to start an interpreter.
    trainers = [start(READING, environ=environ) for _ in range(2)]
    keepers = {trainer.says() for trainer in trainers}
    assert len(keepers) == 1
    (first,) = keepers
    os.kill(first, signal.SIGKILL)

    def joined() -> set[int]:
        return {e["worker"] for e in events(journal, "joined") if e["pid"] != first}

    assert eventually(lambda: joined() == {trainer.pid for trainer in trainers})
    for trainer in trainers:
        trainer.hear()
    said = [trainer.says() for trainer in trainers]
    for reads, failed, status, of_worker, _ in said:
        assert (failed, status) == ([], 0)
        assert reads > 0
        assert of_worker > 0
    (second,) = {keeper for *_, keeper in said}
    assert second != first
    assert {event["pid"] for event in events(journal, "issued")} == {first, second}
    for trainer in trainers:
        assert trainer.ended() == 0


LAST = """
with lease("train-data") as data:
    data.snapshot()
    os.kill(keeper(), signal.SIGKILL)
tell([str(end) for end in data.report.ended])
"""


def test_a_block_whose_keeper_died_in_its_last_instant_says_so(start: Start) -> None:
    """Nobody is left to revoke what it held: the report does not claim it."""
    trainer = start(LAST)
    (ended,) = trainer.says()
    assert "ends at TTL" in ended
    assert "has gone" in ended
    assert trainer.ended() == 0
