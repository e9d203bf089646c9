"""Artifacts at leases3://, read and written by whichever lease covers them."""

from __future__ import annotations

import time
import uuid
from pathlib import Path

import mlflow
import pytest
import requests
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository

from mlsecrets import lease
from mlsecrets.devstack import DevStack
from mlsecrets.errors import NotLeased
from mlsecrets_mlflow import LeaseS3ArtifactRepository, tracking

#: Seconds: longer than credentials that live 4.
OUTLIVED = 5.0
#: Above it, boto3 uploads in parts (boto3.s3.transfer: multipart_threshold).
MULTIPART_BYTES = 8 << 20


@pytest.fixture
def folder() -> str:
    """A place in the store that no other test uses."""
    return f"run-{uuid.uuid4().hex[:8]}/artifacts"


@pytest.fixture
def repository(platform: DevStack, folder: str) -> S3ArtifactRepository:
    """As MLflow makes it for the scheme, before any lease is open."""
    made = get_artifact_repository(f"leases3://checkpoints/{folder}")
    assert isinstance(made, S3ArtifactRepository)
    return made


def a_file(folder: Path, content: bytes) -> str:
    """A local file to log."""
    path = folder / "weights.bin"
    path.write_bytes(content)
    return str(path)


def test_mlflow_finds_it_by_its_scheme(repository: S3ArtifactRepository) -> None:
    """The scheme in an artifact location resolves to our repository."""
    assert isinstance(repository, LeaseS3ArtifactRepository)


def test_mlflow_gets_its_client_where_we_give_it(
    repository: S3ArtifactRepository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The one private seam we use: MLflow's own cached clients are never made."""
    monkeypatch.setattr(
        "mlflow.store.artifact.s3_artifact_repo._cached_get_s3_client", None
    )
    with lease("checkpoints"):
        repository.log_artifact(a_file(tmp_path, b"1"))
        assert [info.path for info in repository.list_artifacts()] == ["weights.bin"]


def test_what_is_logged_comes_back(
    repository: S3ArtifactRepository, tmp_path: Path
) -> None:
    """Log, list, download and delete, all on leases."""
    with lease("checkpoints"):
        repository.log_artifact(a_file(tmp_path, b"abc"), "model")
        assert [info.path for info in repository.list_artifacts("model")] == [
            "model/weights.bin"
        ]
        target = tmp_path / "back"
        target.mkdir()
        repository.download_artifacts("model", str(target))
        assert (target / "model" / "weights.bin").read_bytes() == b"abc"
        repository.delete_artifacts("model")
        assert repository.list_artifacts("model") == []


def test_uploads_outlive_the_credentials(
    repository: S3ArtifactRepository, tmp_path: Path
) -> None:
    """One repository, several generations, no failed upload."""
    path = a_file(tmp_path, b"x" * 1000)
    with lease("checkpoints") as held:
        generations: set[int] = set()
        number, end = 0, time.monotonic() + OUTLIVED
        while time.monotonic() < end or len(generations) < 3:
            repository.log_artifact(path, f"step-{number}")
            generations.add(held.snapshot().terms.generation)
            number += 1
        assert len(repository.list_artifacts()) == number


def test_a_large_file_goes_up_in_parts(
    repository: S3ArtifactRepository, tmp_path: Path, platform: DevStack, folder: str
) -> None:
    """Every part is signed for itself."""
    size = 2 * MULTIPART_BYTES + 1
    with lease("checkpoints"):
        repository.log_artifact(a_file(tmp_path, bytes(size)))
    store = platform.admin_s3()
    try:
        head = store.head_object(Bucket="checkpoints", Key=f"{folder}/weights.bin")
    finally:
        store.close()
    assert head["ContentLength"] == size
    parts = int(head["ETag"].strip('"').rpartition("-")[2])
    assert parts == 3


def test_a_presigned_url_is_signed_by_the_lease(
    repository: S3ArtifactRepository, tmp_path: Path
) -> None:
    """For servers that hand out URLs; it lives as long as the credentials do."""
    with lease("checkpoints"):
        repository.log_artifact(a_file(tmp_path, b"abc"))
        link = repository.get_download_presigned_url("weights.bin")
        with requests.get(link.url, timeout=5) as answer:
            assert answer.content == b"abc"


def test_a_place_that_no_lease_covers_is_refused(
    platform: DevStack, tmp_path: Path
) -> None:
    """Before anything is sent, with the rights that there are."""
    repository = get_artifact_repository("leases3://checkpoints/elsewhere")
    with (
        lease("checkpoints"),
        pytest.raises(NotLeased, match="write s3://checkpoints/run-"),
    ):
        repository.log_artifact(a_file(tmp_path, b"1"))


def test_a_run_may_keep_its_artifacts_there(
    address: str, platform: DevStack, folder: str, tmp_path: Path
) -> None:
    """An experiment's artifact location, used by MLflow's everyday calls."""
    with lease("checkpoints"), tracking(address):
        experiment = mlflow.create_experiment(
            folder, artifact_location=f"leases3://checkpoints/{folder}"
        )
        with mlflow.start_run(experiment_id=experiment) as run:
            mlflow.log_artifact(a_file(tmp_path, b"abc"))
            mlflow.log_text("hello", "notes/hello.txt")
        assert run.info.artifact_uri.startswith("leases3://checkpoints/run-")
        text = mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/notes/hello.txt")
    assert text == "hello"
