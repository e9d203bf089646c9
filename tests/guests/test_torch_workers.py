"""What datasets do in workers that works in the process that trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fsspec
import pytest
from torch.utils.data import ConcatDataset, DataLoader

from mlsecrets import lease
from mlsecrets.devstack import DevStack
from mlsecrets_torch import WorkerInit
from tests.guests.torch_parts import Sized

pytestmark = [
    pytest.mark.usefixtures("data"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]


class Note:
    """A ``worker_init_fn`` of a user."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, worker: int) -> None:
        (self.folder / str(worker)).touch()


def test_plain_s3_is_leased_in_spawned_workers(
    platform: DevStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the user's own function is called. Credentials of the machine are no use."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "else")
    with lease("train-data"):
        loader = DataLoader(
            Sized(),
            batch_size=None,
            num_workers=1,
            multiprocessing_context="spawn",
            worker_init_fn=WorkerInit(Note(tmp_path)),
        )
        assert list(loader) == [64] * 4
    assert (tmp_path / "0").exists()


@pytest.mark.parametrize("scheme", ["s3", "leases3"])
def test_file_systems_of_the_parent_work_in_forked_workers(
    platform: DevStack, scheme: str
) -> None:
    """In datasets of datasets, too; without it, fsspec refuses."""
    with lease("train-data"):
        filesystem = fsspec.filesystem(scheme)
        assert len(filesystem.cat_file("datasets/digits/tiny/0.bin")) == 64
        dataset: ConcatDataset[int] = ConcatDataset(
            [Sized(filesystem), Sized(filesystem)]
        )
        options: Any = {"num_workers": 1, "multiprocessing_context": "fork"}
        with pytest.raises(RuntimeError, match="not fork-safe"):
            list(DataLoader(dataset, batch_size=None, **options))
        loader = DataLoader(
            dataset, batch_size=None, worker_init_fn=WorkerInit(), **options
        )
        assert list(loader) == [64] * 8
        assert dataset.datasets[0].filesystem is filesystem  # type: ignore[attr-defined]
