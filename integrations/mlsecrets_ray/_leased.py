"""`leased`: the with block of a driver, whose leases are held on every node."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from mlsecrets import Bundle, Lease, Reference, refuse_secrets, release
from mlsecrets.errors import LeaseError

from ._hook import JOB, has_hook, job_here
from ._identities import Identities, Path
from ._owners import Owners
from ._report import NodeReport
from ._waiting import announce, withdraw

#: Seconds in which each node has to have its owner: a new process, two issuer calls.
PATIENCE = 60.0


class ClusterLeases(Bundle):
    """The leases of a block, by scope name, and the nodes on which they are held.

    A lease works in the driver, and wherever it is sent in the job: in an argument or
    a closure it travels as its reference, and is read from the owner of that node.
    """

    __slots__ = ("_ended", "_owners")

    def __init__(self, scopes: tuple[str, ...], owners: Owners) -> None:
        super().__init__({scope: Lease(Reference(scope), None) for scope in scopes})
        self._owners = owners
        self._ended: tuple[NodeReport, ...] | None = None

    def __repr__(self) -> str:
        return f"<ClusterLeases {', '.join(self)}>"

    @property
    def nodes(self) -> tuple[NodeReport, ...]:
        """Each node that is or was in the cluster; with reports, after the block."""
        return self._owners.reports() if self._ended is None else self._ended

    def _end(self) -> None:
        self._ended = self._owners.end()


class leased:  # noqa: N801  read as a verb: with leased("train-data")
    """Hold scopes on every node of a Ray cluster, for a block of the driver.

    ::

        ray.init(runtime_env=mlsecrets_ray.runtime_env())
        with mlsecrets_ray.leased("train-data", manifest="/etc/ml/train.toml") as creds:
            data = ray.data.read_parquet(
                "datasets/digits/train",
                filesystem=creds["train-data"].pyarrow_filesystem(),
            )

    Each node gets one owner, in an actor that needs no CPU. Nodes that join get one,
    too, before workers on them begin. At the end of the block everything is revoked.

    Args:
        scopes: names from the manifest.
        manifest: its absolute path, the same on all nodes; None to look for it on each
            node as `lease` does: in ``MLSECRETS_CONFIG``, as Ray was started there.
        identities: other manifests for some nodes, by a node's id, address, host name,
            custom resource or ``label=value``. Without `manifest`, nodes that are not
            in it are refused.
        patience: seconds in which every node has to have its owner.
        options: for `mlsecrets.configure` on each node, such as ``keeper="process"``.

    Raises:
        LeaseError: there is no cluster, or its workers have no hook, or an owner does
            not come up.
        IdentityError: it is not clear as whom a node leases.
        SecretLeak: an option holds a live secret.
        MLSecretsError: what `lease` raised on a node; the message says on which.
    """

    _open = False

    def __init__(
        self,
        *scopes: str,
        manifest: Path | None = None,
        identities: Mapping[str, Path] | None = None,
        patience: float = PATIENCE,
        **options: Any,
    ) -> None:
        if not scopes or len(set(scopes)) != len(scopes):
            raise ValueError(f"leased takes scope names, each once, got {scopes!r}")
        refuse_secrets(options, "the arguments of an actor")
        self._scopes = scopes
        self._identities = Identities.of(identities, manifest)
        self._patience = patience
        self._options = options
        self._creds: ClusterLeases | None = None

    def __enter__(self) -> ClusterLeases:
        _check_driver()
        owners = Owners(self._scopes, self._identities, self._options)
        leased._open = True
        try:
            os.environ[JOB] = job_here() or ""
            announce()
            owners.start(self._patience)
        except BaseException:
            try:
                owners.end()
            finally:
                _leave()
            raise
        self._creds = ClusterLeases(self._scopes, owners)
        return self._creds

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        creds, self._creds = self._creds, None
        if creds is not None:
            try:
                for scope in creds:
                    release(scope)  # what the driver itself has joined
                creds._end()  # noqa: SLF001  of this file
            finally:
                _leave()


def _leave() -> None:
    import ray

    leased._open = False  # noqa: SLF001  of this file
    os.environ.pop(JOB, None)
    if ray.is_initialized():
        withdraw()


def _check_driver() -> None:
    """Raise `LeaseError` unless this is a driver whose workers will find leases."""
    import ray
    from ray.util.client import ray as client

    if not ray.is_initialized() or client.is_connected():
        raise LeaseError(
            "leased() is for a driver that runs on a node of its cluster, and this "
            "process is not connected to one in that way",
            remedy="call ray.init() first; not with a ray:// address",
        )
    if leased._open:  # noqa: SLF001  of this file
        raise LeaseError(
            "a block of leased() is open in this driver already",
            remedy="name all scopes in one: leased(…, …)",
        )
    if not has_hook(ray.get_runtime_context().runtime_env):
        raise LeaseError(
            "this job's workers would not find their node's leases: it has no hook",
            remedy="ray.init(runtime_env=mlsecrets_ray.runtime_env(…))",
        )
    for name in (JOB, "MLSECRETS_SOCK"):
        if os.environ.get(name):
            raise LeaseError(
                f"this driver already belongs to leases of another owner: {name} is "
                "set",
                remedy="leave that block first, or unset the variable",
            )
