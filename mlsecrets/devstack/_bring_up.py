"""Bringing every engine up at once, and leaving nothing behind where that fails."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from . import _manifest, _ports
from ._folder import MANIFEST, Folder
from ._mlflow_server import MLflowServer
from ._process import Command, Process, Supervisor
from ._revoker_process import RevokerProcess
from .openbao import OpenBao, Terms
from .seaweedfs import PORTS as STORE_PORTS
from .seaweedfs import SeaweedFS


class Engine(Protocol):
    """What is asked of each."""

    def command(self) -> Command:
        """Write its configuration; how to start it."""

    def wait(self, process: Process) -> None:
        """Return when it serves; raise `EngineFailed` if it will not."""


@dataclass(frozen=True)
class Plan:
    """What to bring up.

    Args:
        folder: where; None: a temporary folder.
        bao: the path of that program.
        weed: the path of that program.
        terms: lifetimes of what is issued.
        mlflow: start MLflow too.
        ops: give OpenBao an administrator.
    """

    folder: Path | None
    bao: Path
    weed: Path
    terms: Terms
    mlflow: bool
    ops: bool


@dataclass(frozen=True)
class Running:
    """Everything of a stack that serves."""

    folder: Folder
    supervisor: Supervisor
    processes: list[Process]
    openbao: OpenBao
    store: SeaweedFS
    revoker: RevokerProcess
    mlflow: MLflowServer | None
    manifest_path: Path

    def stop(self) -> None:
        """Stop every engine and remove what was written, but for what is kept."""
        _stop(self.supervisor, self.folder)


def bring_up(plan: Plan) -> Running:
    """Start everything, and return when all of it serves.

    Raises:
        PortTaken: worth another try, on other ports.
        DevStackError: in either case nothing is left running.
    """
    supervisor = Supervisor()
    folder = None
    try:
        folder = Folder(plan.folder)
        supervisor.litter([folder.path], folder.keep)
        return _start(plan, folder, supervisor)
    except BaseException:
        _stop(supervisor, folder)
        raise


def _start(plan: Plan, folder: Folder, supervisor: Supervisor) -> Running:
    single = {"revoker": _ports.SINGLE, "mlflow": _ports.SINGLE}
    ports = _ports.allocate({"openbao": _ports.OPENBAO, **STORE_PORTS, **single})
    ttl = plan.terms.ttl
    openbao = OpenBao(folder, ports["openbao"], plan.bao, plan.terms, ops=plan.ops)
    store = SeaweedFS(folder, ports, plan.weed, openbao.issuer, ttl)
    revoker = RevokerProcess(folder, ports["revoker"], store, ttl)
    mlflow = MLflowServer(folder, ports["mlflow"], openbao.issuer)
    supervisor.litter(store.litter())
    # The slowest first. None needs another to start: they meet at the first request.
    engines: list[Engine] = [store, revoker, openbao]
    if plan.mlflow:
        engines.insert(0, mlflow)
    processes = [supervisor.start(engine.command()) for engine in engines]
    for process, engine in zip(processes, engines, strict=True):
        engine.wait(process)
    addresses = {
        "openbao": openbao.address,
        "store": store.address,
        "revoker": revoker.address,
        # Without MLflow nothing listens there; the scope can still be leased.
        "mlflow": mlflow.address,
    }
    manifest = _manifest.text(addresses, revoker.audience, ttl)
    return Running(
        folder=folder,
        supervisor=supervisor,
        processes=processes,
        openbao=openbao,
        store=store,
        revoker=revoker,
        mlflow=mlflow if plan.mlflow else None,
        manifest_path=folder.write(MANIFEST, manifest),
    )


def _stop(supervisor: Supervisor, folder: Folder | None) -> None:
    try:
        supervisor.close()
    finally:
        if folder is not None:
            folder.release()
