"""The stack as a whole: what starts when, and that all of it ends."""

from __future__ import annotations

import atexit
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from ._binaries import Binaries
from ._bring_up import Plan, Running, bring_up
from ._errors import DevStackError, PortTaken
from ._mlflow_server import MLflowServer
from ._revoker_process import RevokerProcess
from .openbao import OpenBao, Terms
from .seaweedfs import SeaweedFS

#: Starts before giving up, each on other ports.
_TRIES = 3
_MIN_TOKEN_TTL = 30  # seconds


class DevStack:
    """OpenBao, an S3 store with STS, a revoker and, on request, MLflow.

    Args:
        ttl: lifetime in seconds of JWTs, STS sessions and certificates; whole, >= 1.
        mlflow: start MLflow too.
        folder: where everything is kept while the stack runs; afterwards only its logs
            are left there. None: a temporary folder, removed at the end.
        binaries: the engines' programs; None: those of the extra ``dev``, or on PATH.
        ops: give OpenBao an administrator, for tests; otherwise it has none.
        token_ttl: seconds that an OpenBao login lasts; default 3 * ttl, at
            least 30 and at most `token_max_ttl`.
        token_max_ttl: seconds up to which a login can be renewed.
    """

    def __init__(
        self,
        ttl: float = 10.0,
        *,
        mlflow: bool = False,
        folder: Path | str | None = None,
        binaries: Binaries | None = None,
        ops: bool = False,
        token_ttl: float | None = None,
        token_max_ttl: float = 3600.0,
    ) -> None:
        self.ttl = _whole_seconds("ttl", ttl)
        if token_ttl is None:
            # Never above the longest: OpenBao refuses a role that says so.
            token_ttl = min(max(_MIN_TOKEN_TTL, 3 * self.ttl), token_max_ttl)
        self._terms = Terms(
            ttl=self.ttl,
            token_ttl=_whole_seconds("token_ttl", token_ttl),
            token_max_ttl=_whole_seconds("token_max_ttl", token_max_ttl),
        )
        self._mlflow = mlflow
        self._folder = None if folder is None else Path(folder)
        self._binaries = binaries or Binaries()
        self._ops = ops
        self._running: Running | None = None

    def start(self) -> DevStack:
        """Start everything; returns when all of it serves.

        Raises:
            DevStackError: and nothing is left running.
        """
        if self._running is not None:
            raise DevStackError("this stack has already been started")
        bao, weed = self._binaries.resolve()
        plan = Plan(
            self._folder, bao, weed, self._terms, mlflow=self._mlflow, ops=self._ops
        )
        for attempt in range(1, _TRIES + 1):
            try:
                self._running = bring_up(plan)
                break
            except PortTaken:
                if attempt == _TRIES:
                    raise
        atexit.register(self.close)
        return self

    def close(self) -> None:
        """Stop every engine, remove what the stack wrote. Idempotent."""
        running, self._running = self._running, None
        if running is not None:
            atexit.unregister(self.close)
            running.stop()

    def __enter__(self) -> DevStack:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def folder(self) -> Path:
        """The private folder that everything is kept in."""
        return self._state.folder.path

    @property
    def logs(self) -> Path:
        """The folder with one log for each engine, and OpenBao's audit log."""
        return self._state.folder.logs

    @property
    def manifest_path(self) -> Path:
        """A ready `mlsecrets.toml`."""
        return self._state.manifest_path

    @property
    def openbao(self) -> OpenBao:
        """The issuer."""
        return self._state.openbao

    @property
    def store(self) -> SeaweedFS:
        """The S3 store, its STS at the same address."""
        return self._state.store

    @property
    def revoker(self) -> RevokerProcess:
        """What ends STS sessions."""
        return self._state.revoker

    @property
    def mlflow(self) -> MLflowServer | None:
        """The tracking server; None if it was not asked for."""
        return self._state.mlflow

    @property
    def processes(self) -> dict[str, int]:
        """Process ids by name, with that of the process that supervises the others."""
        pids = {process.name: process.pid for process in self._state.processes}
        return {**pids, "supervisor": self._state.supervisor.pid}

    @contextmanager
    def away(self, *names: str) -> Iterator[None]:
        """A block in which engines do not answer: stopped, not ended, by SIGSTOP.

        They know afterwards what they knew. To see how a program takes an outage::

            with stack.away("openbao"):
                train()

        Args:
            names: as in `processes`.

        Raises:
            ValueError: there is no engine of that name.
        """
        engines = self.processes
        del engines["supervisor"]
        if not names or not engines.keys() >= set(names):
            known = ", ".join(sorted(engines))
            raise ValueError(f"names of engines are expected ({known}), got {names!r}")
        stopped = [engines[name] for name in names]
        try:
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)

    def admin_s3(self) -> Any:
        """A boto3 client with the store's admin key: for seeding and tests only."""
        import boto3
        from botocore.config import Config

        key = self.store.admin_key()
        return boto3.client(
            "s3",
            endpoint_url=self.store.address,
            region_name=self.store.region,
            aws_access_key_id=key.access_key,
            aws_secret_access_key=key.secret_key,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                proxies={},  # None would mean those of the environment
            ),
        )

    def seed_digits(self) -> dict[str, list[str]]:
        """Write the handwritten digits to the store; the keys by split."""
        from . import _iam, digits

        s3 = self.admin_s3()
        try:
            return digits.seed(s3, _iam.DATASETS)
        finally:
            s3.close()

    @property
    def _state(self) -> Running:
        if self._running is None:
            raise DevStackError(
                "this stack is not running", remedy="use it in a with block, or start()"
            )
        return self._running


def _whole_seconds(name: str, value: float) -> int:
    """OpenBao counts the lives of what it issues in whole seconds."""
    if value < 1 or value != int(value):
        raise ValueError(f"{name} must be whole seconds, at least 1, got {value:g}")
    return int(value)
