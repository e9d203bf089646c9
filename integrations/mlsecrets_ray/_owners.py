"""One owner on each node: started, looked after while nodes come and go, and ended."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlsecrets.errors import LeaseError, MLSecretsError

from ._identities import Identities
from ._nodes import Node, nodes_alive
from ._owner import NodeOwner
from ._report import NodeReport
from ._waiting import OWNER

log = logging.getLogger("mlsecrets.ray")

#: Seconds between looks at the cluster.
ROUND = 1.0
#: Seconds between looks while a block waits for its owners.
SOON = 0.05
#: Seconds in which all owners have to end what they hold: one may wait for an issuer.
ENDING = 30.0

LOST = (
    "the node left the cluster: a keeper revokes what its owner held, "
    "and without one it ends at its TTL"
)


@dataclass
class _Owned:
    """What is known of one node."""

    node: Node
    actor: Any = None
    #: The question that has not been answered yet.
    asked: Any = None
    pid: int = 0
    restarts: int = 0
    error: MLSecretsError | None = None
    problem: str | None = None
    lost: bool = False

    def report(self) -> NodeReport:
        return NodeReport(
            self.node.id,
            self.node.address,
            self.pid,
            self.restarts,
            problem=self.problem,
        )


class Owners:
    """The owners of a block's leases, one on each node of the cluster.

    Args:
        scopes: names from the manifest.
        identities: which node reads which manifest.
        options: for `mlsecrets.configure`, on each node.
    """

    def __init__(
        self,
        scopes: Sequence[str],
        identities: Identities,
        options: Mapping[str, Any],
    ) -> None:
        self._scopes = tuple(scopes)
        self._identities = identities
        self._options = dict(options)
        self._nodes: dict[str, _Owned] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._watcher: threading.Thread | None = None

    def start(self, patience: float) -> None:
        """Start one on each node, and wait until all of them serve.

        Args:
            patience: seconds.

        Raises:
            MLSecretsError: what `lease` raised on a node; the message says on which.
            LeaseError: a node's owner was not there in time.
        """
        for _ in range(max(int(patience / SOON), 1)):
            self._look()
            waited_for = [owned for owned in self._living() if not owned.pid]
            for owned in waited_for:
                if owned.error is not None:
                    raise _on_node(owned.node, owned.error)
            if not waited_for:
                break
            self._ended.wait(SOON)
        else:
            raise LeaseError(
                f"no owner of leases serves on node {waited_for[0].node} after "
                f"{patience:g} s ({waited_for[0].problem or 'it does not answer'})",
                remedy="look at that node's worker logs; is mlsecrets installed there?",
            )
        self._watcher = threading.Thread(
            target=self._watch, name="mlsecrets-ray-watcher", daemon=True
        )
        self._watcher.start()

    def reports(self) -> tuple[NodeReport, ...]:
        """What is known of each node by now."""
        with self._lock:
            return tuple(owned.report() for owned in self._nodes.values())

    def end(self) -> tuple[NodeReport, ...]:
        """End all leases on all nodes, and the owners; what became of them."""
        import ray

        self._ended.set()
        if self._watcher is not None:
            self._watcher.join()
        started = [owned for owned in self._living() if owned.actor is not None]
        living = started if ray.is_initialized() else []
        ending = {owned.actor.end.remote(): owned for owned in living}
        if ending:
            ray.wait(list(ending), num_returns=len(ending), timeout=ENDING)
        told: dict[str, Mapping[str, str]] = {}
        for ref, owned in ending.items():
            try:
                told[owned.node.id] = ray.get(ref, timeout=0)
            except ray.exceptions.RayError as error:
                owned.problem = f"no report of its end ({type(error).__name__})"
            ray.kill(owned.actor)
        return tuple(
            NodeReport(
                owned.node.id,
                owned.node.address,
                owned.pid,
                owned.restarts,
                told.get(owned.node.id, {}),
                owned.problem
                or (None if owned in living else "Ray was shut down inside the block"),
            )
            for owned in self._nodes.values()
        )

    # -- inside ----------------------------------------------------------------------

    def _living(self) -> list[_Owned]:
        return [owned for owned in self._nodes.values() if not owned.lost]

    def _watch(self) -> None:
        while not self._ended.wait(ROUND):
            try:
                self._look()
            except Exception as error:  # noqa: BLE001  Ray's, and it has many
                # The head may be away for a while; the nodes' owners go on without us.
                log.warning("the cluster cannot be looked at: %s", type(error).__name__)

    def _look(self) -> None:
        """Start owners where there are none, and ask all of them whether they serve."""
        alive = nodes_alive()
        with self._lock:
            for owned in self._living():
                if owned.node.id not in alive:
                    owned.lost, owned.pid, owned.problem = True, 0, LOST
                    log.warning("node %s: %s", owned.node, LOST)
            for node in alive.values():
                owned = self._nodes.setdefault(node.id, _Owned(node))
                if owned.actor is None:
                    self._start(owned)
                self._ask(owned)

    def _start(self, owned: _Owned) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        try:
            manifest = self._identities.of_node(owned.node)
        except MLSecretsError as error:
            _note(owned, error)
            return
        here = NodeAffinitySchedulingStrategy(owned.node.id, soft=False)
        owned.actor = (
            ray.remote(NodeOwner)
            .options(
                num_cpus=0,
                max_restarts=-1,
                scheduling_strategy=here,
                # A process of its own, whose hook does not wait for itself.
                runtime_env={"env_vars": {OWNER: "1"}},
            )
            .remote(self._scopes, manifest, self._options)
        )

    def _ask(self, owned: _Owned) -> None:
        import ray

        if owned.actor is None:
            return
        if owned.asked is None:
            owned.asked = owned.actor.serve.remote()
        if not ray.wait([owned.asked], timeout=0)[0]:
            return
        asked, owned.asked = owned.asked, None
        try:
            pid = ray.get(asked)
        except ray.exceptions.RayTaskError as error:
            cause = error.cause
            if not isinstance(cause, MLSecretsError):
                cause = LeaseError(
                    f"the owner's process failed: {type(cause).__name__}"
                )
            _note(owned, cause)
        except ray.exceptions.ActorUnavailableError:
            owned.problem = "its owner's process died, and is being started again"
        except ray.exceptions.RayActorError:
            # For good: somebody killed it, or its node is about to be lost.
            owned.actor = None
            owned.problem = "its owner was ended by somebody else; another is started"
        else:
            owned.restarts += owned.pid not in {0, pid}
            owned.pid, owned.error, owned.problem = pid, None, None


def _note(owned: _Owned, error: MLSecretsError) -> None:
    if owned.error is None:
        log.warning("node %s has no leases: %s", owned.node, error)
    owned.error, owned.problem = error, error.message


def _on_node(node: Node, error: MLSecretsError) -> MLSecretsError:
    if str(node) in error.message:
        return error
    return type(error)(f"on node {node}: {error.message}", remedy=error.remedy)
