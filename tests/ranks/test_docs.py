"""What docs/ranks.md shows is so."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from tests.ranks.job import BOTH, ROOT, Job, RankError

#: What stands for the training in the example: each rank waits for the other.
TRAIN = """

def train(creds):
    import os, pathlib, time
    here = pathlib.Path(os.environ["XDG_RUNTIME_DIR"])
    (here / f"rank-{os.environ['RANK']}").write_text(
        creds["train-data"].snapshot().terms.lease_id
    )
    while len(list(here.glob("rank-*"))) < 2:
        time.sleep(0.01)

main()
"""


def example(language: str) -> str:
    """The page's only example in a language."""
    page = (ROOT / "docs" / "ranks.md").read_text()
    found = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
    return next(text for text in found if "Trainer" not in text)


def test_the_script_and_its_launcher_share_one_lease(job: Job) -> None:
    """As they stand there, with a training that waits for the other rank."""
    (job.folder / "train.py").write_text(example("python") + TRAIN)
    script = example("sh").replace("train.py", str(job.folder / "train.py"))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    assert job.start("sh", "-c", script, PATH=path).wait(60) == 0
    # A renewal may have come in between.
    seen = {path.read_text() for path in job.folder.glob("rank-*")}
    assert seen <= {event["lease_id"] for event in job.issued("train-data")}
    first = [event for event in job.issued() if event["generation"] == 1]
    assert len(first) == len(BOTH)
    assert len({event["worker"] for event in job.events("joined")}) == 1


def test_the_message_to_a_worker_is_the_one_that_it_gets(job: Job) -> None:
    """Word for word, but for its number."""
    (rank,) = job.ranks(1)
    rank.ask("lease", *BOTH)
    rank.ask("fork_rank")
    (worker,) = job.called(1)
    with pytest.raises(RankError) as refused:
        worker.ask("lease_id", "checkpoints")
    told = str(refused.value).replace(str(worker.pid), "4711")
    assert told == example("text").rstrip()
