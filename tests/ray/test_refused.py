"""What cannot work is refused before anything runs, and says where."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

import pytest

pytest.importorskip("ray")

import ray
from _ray.cluster import SmallCluster

from mlsecrets import BearerToken, errors
from mlsecrets_ray import leased


def test_a_scope_that_a_node_does_not_know_is_named_with_the_node(
    cluster: SmallCluster, manifest: Path
) -> None:
    """And nothing stays open anywhere: the next block begins, and ends on all nodes."""
    with (
        pytest.raises(errors.UnknownScope, match=r"on node 127\.0\.0\.\d .*nonesuch"),
        leased("nonesuch", manifest=manifest),
    ):
        pass
    with leased("train-data", manifest=manifest) as creds:
        assert len(creds) == 1
    assert len(creds.nodes) == 2
    for report in creds.nodes:
        assert report.problem is None
        assert re.search(r"generation \d+ revoked", report.leases["train-data"])


def test_a_node_without_an_identity_is_refused(
    cluster: SmallCluster, manifest: Path
) -> None:
    """Before its owner is started."""
    with (
        pytest.raises(errors.IdentityError, match="has no identity"),
        leased("train-data", identities={"a": manifest}),
    ):
        pass


def test_an_option_that_holds_a_secret_does_not_travel(cluster: SmallCluster) -> None:
    """It would be an actor's argument, which Ray keeps."""
    held = BearerToken.of(secrets.token_hex(20))
    with pytest.raises(errors.SecretLeak, match="arguments of an actor"):
        leased("train-data", journal="/tmp/" + held.reveal("token"))
    held.close()


def test_names_are_given_each_once() -> None:
    """As for `lease`."""
    with pytest.raises(ValueError, match="each once"):
        leased("train-data", "train-data")
    with pytest.raises(ValueError, match="each once"):
        leased()


def test_a_job_without_our_hook_is_refused(
    cluster: SmallCluster, manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its workers would find nothing, one read after the other."""
    monkeypatch.setattr(
        type(ray.get_runtime_context()), "runtime_env", {"env_vars": {"A": "1"}}
    )
    with pytest.raises(errors.LeaseError, match="it has no hook"):
        leased("train-data", manifest=manifest).__enter__()
