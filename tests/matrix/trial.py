"""One cell: a program is started, ended in its way, and looked at."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import requests
import torch

from mlsecrets.devstack import DevStack
from tests.hosts.server import free_port
from tests.matrix.cells import KILLS, PROGRAMS, Cell
from tests.matrix.measured import Measured
from tests.matrix.script import SCOPES, Settings
from tests.matrix.thief import Stolen, Thief

ROOT = Path(__file__).parents[2]
#: Seconds in which a program starts, or ends, on a busy machine.
PATIENCE = 90.0
#: Seconds from SLURM's SIGTERM to its SIGKILL (slurm.conf: KillWait).
KILL_WAIT = 30.0
#: Seconds in which everything that was stolen is tried once, on a busy machine.
SOON = 2.5
#: How the files end that are read back: Lightning's and ours, and the Trainer's.
READ_BACK = (".ckpt", "optimizer.pt")
#: What would make processes a job that are none, or tell them of other servers.
STRANGE = ("MLSECRETS_", "TORCHELASTIC_", "SLURM_", "MASTER_", "GROUP_RANK", "MLFLOW_")
#: As srun tells its only task (srun(1), OUTPUT ENVIRONMENT VARIABLES); `srun` several.
SRUN = {
    "SLURM_JOB_ID": "4711",
    "SLURM_JOB_NAME": "train",
    "SLURM_STEP_ID": "0",
    "SLURM_NTASKS": "1",
    "SLURM_NTASKS_PER_NODE": "1",
    "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
    "SLURM_NODEID": "0",
    "SLURM_NODELIST": "localhost",
}
#: Notes what it is asked; the test then does what SLURM would.
SCONTROL = '#!/bin/sh\necho "$@" >>"{folder}/scontrol"\n'


class Trial:
    """A program of a cell, and what it has left to see.

    Args:
        cell: which.
        stack: what it leases from, with MLflow.
        folder: its own; short, since sockets are made in it.
        cluster: the address of a Ray cluster, if that is needed.
    """

    def __init__(self, cell: Cell, stack: DevStack, folder: Path, cluster: str) -> None:
        assert stack.mlflow is not None
        self.cell, self.stack, self.folder = cell, stack, folder
        self.cluster = cluster if cell.framework == "Ray Train" else ""
        self.told = Settings(
            manifest=str(stack.manifest_path),
            mlflow=stack.mlflow.address,
            run=cell.run,
            folder=str(folder),
            launcher=cell.launcher,
            ending=cell.ending,
            keeper=cell.keeper,
            cluster=self.cluster,
        )
        self.thief = Thief(stack, cell.run)
        self._admin = requests.Session()
        self._admin.trust_env = False
        password = stack.mlflow.admin_password_file.read_text().strip()
        self._admin.auth = (stack.mlflow.admin_user, password)

    # -- what it tells ---------------------------------------------------------------

    def notes(self, kind: str | None = None) -> list[dict[str, Any]]:
        """What the program's processes wrote, of one kind only."""
        return [n for n in lines(self.told.notes) if kind in {None, n["note"]}]

    def events(self, *names: str) -> list[dict[str, Any]]:
        """What the journal has, of these names."""
        return [e for e in lines(self.told.journal) if e["event"] in names]

    def ranks(self) -> dict[int, int]:
        """The processes that train, by rank."""
        return {note["rank"]: note["pid"] for note in self.notes("rank")}

    def log(self) -> str:
        """The end of what it printed."""
        return (self.folder / "log").read_text(errors="replace")[-3000:]

    # -- its life --------------------------------------------------------------------

    def run(self) -> Measured:
        """Start it, end it in the cell's way, and look."""
        process = self._start()
        try:
            self._wait(lambda: self._well_under_way(process), process)
            left = self._working()
            ended_at = self._end(process)
            self._watch(process)
            process.wait(PATIENCE)
            return self._measured(left, self._began_to_end(ended_at))
        except AssertionError as error:
            raise AssertionError(f"{self.cell}: {error}\n{self.log()}") from None
        finally:
            self._clear_up(process)

    def _start(self) -> subprocess.Popen[bytes]:
        bin_folder = self.folder / "bin"
        bin_folder.mkdir()
        scontrol = bin_folder / "scontrol"
        scontrol.write_text(SCONTROL.format(folder=self.folder))
        scontrol.chmod(0o755)
        module = f"tests.matrix.{PROGRAMS[self.cell.framework]}"
        command = [sys.executable, "-m", module]
        if self.cell.launcher == "torchrun":
            torchrun = ("torch.distributed.run", "--standalone", "--nproc-per-node=2")
            command = [sys.executable, "-m", *torchrun, "-m", module]
        if self.cell.launcher == "srun":
            command = [sys.executable, "-m", "tests.matrix.srun", "2", module]
        kept = {k: v for k, v in os.environ.items() if not k.startswith(STRANGE)}
        slurm = {}
        if self.cell.launcher == "srun":
            slurm = {**SRUN, "MASTER_PORT": str(free_port())}
        elif self.cell.ending == "requeue":
            slurm = SRUN
            if self.cell.launcher != "process":
                # A loop of one's own asks for its job alone.
                slurm = {"SLURM_JOB_ID": SRUN["SLURM_JOB_ID"]}
        with (self.folder / "log").open("wb") as log:
            return subprocess.Popen(
                command,
                cwd=ROOT,
                env={
                    **kept,
                    **slurm,
                    **self.told.environment(),
                    "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
                    "PYTHONPATH": os.pathsep.join(
                        map(str, (ROOT, ROOT / "integrations"))
                    ),
                    # Where jobs meet; Ray's workers have the environment of their node.
                    **({} if self.cluster else {"XDG_RUNTIME_DIR": str(self.folder)}),
                    "MLFLOW_DISABLE_TELEMETRY": "true",
                    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
                    "DO_NOT_TRACK": "true",
                    "OMP_NUM_THREADS": "1",
                    "TOKENIZERS_PARALLELISM": "false",
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # A group of its own, as a shell gives to what is in its foreground.
                start_new_session=True,
            )

    @staticmethod
    def _wait(
        condition: Callable[[], bool], process: subprocess.Popen[bytes] | None = None
    ) -> None:
        until = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < until, "it never came so far"
            if process is not None:
                assert process.poll() is None, f"it ended with {process.returncode}"
            threading.Event().wait(0.05)

    def _well_under_way(self, process: subprocess.Popen[bytes]) -> bool:
        """All ranks train, on a second generation, and a checkpoint is kept."""
        self.thief.take(self.notes("caught"))
        late = {s.scope for s in self.thief.stolen.values() if s.generation > 1}
        return (
            late == {note["scope"] for note in self.notes("use")} == set(SCOPES)
            and len({note["rank"] for note in self.notes("step")}) == self.cell.ranks
            and any(key.endswith(READ_BACK) for key in self._checkpoints())
        )

    def _working(self) -> set[str]:
        """The lease ids of what is stolen and works; each scope has one."""
        working: set[str] = set()

        def all_work() -> bool:
            self.thief.take(self.notes("caught"))
            latest = [s for s in self.thief.latest() if not self.thief.answer(s)]
            working.update(stolen.lease_id for stolen in latest)
            return len(latest) == len(SCOPES)

        # One may be replaced, and have ended, between the note and the trial.
        self._wait(all_work)
        self.thief.try_all()
        return working

    # -- its end ---------------------------------------------------------------------

    def _end(self, process: subprocess.Popen[bytes]) -> float:
        """End it; when that was."""
        ending, ranks = self.cell.ending, self.ranks()
        at = time.time()
        if ending in {"return", "exception"}:
            self.told.go.touch()
        elif ending == "Ctrl-C":
            os.killpg(process.pid, signal.SIGINT)
        elif ending == "SIGTERM":
            process.send_signal(signal.SIGTERM)
        elif ending == "requeue":
            self._requeue(process, ranks)
        elif ending == KILLS[0]:
            os.kill(ranks[max(ranks)], signal.SIGKILL)
        elif self.cell.framework == "Ray Train":
            process.kill()  # the driver, and its workers are Ray's to end
        else:
            kill(signal.SIGKILL, process.pid, *ranks.values())
        return at

    def _requeue(self, process: subprocess.Popen[bytes], ranks: dict[int, int]) -> None:
        """Do as SLURM does: warn, and end what asked to be run again."""
        if self.cell.framework == "Ray Train":
            process.send_signal(signal.SIGUSR1)
            return
        kill(signal.SIGUSR1, *ranks.values())
        asked = self.folder / "scontrol"
        until = time.monotonic() + PATIENCE
        while not asked.exists() and process.poll() is None:
            assert time.monotonic() < until, "nobody minds SIGUSR1"
            self._try()
        if not asked.exists():
            return
        kill(signal.SIGTERM, *ranks.values())
        until = time.monotonic() + KILL_WAIT
        while process.poll() is None and time.monotonic() < until:
            self._try()
        kill(signal.SIGKILL, *ranks.values())

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """Try everything until nothing works, and the program has ended."""
        until, waiting = time.monotonic() + PATIENCE, PATIENCE - KILL_WAIT
        while True:
            over = process.poll() is not None
            if self.cell.ending == "SIGTERM" and time.monotonic() > until - waiting:
                # As Kubernetes and SLURM do with what does not end.
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            works = self._try()
            if over and not works:
                return
            alive = [s for s in self.thief.stolen.values() if not s.answer]
            assert time.monotonic() < until, f"ended: {over}; works still: {alive}"

    def _try(self) -> bool:
        """Try everything once; whether something works still."""
        threading.Event().wait(0.05)
        self.thief.take(self.notes("caught"))
        return self.thief.try_all()

    def _began_to_end(self, told_at: float) -> float:
        """When training was over: a program that returns finishes its step first."""
        said = [note["at"] for note in self.notes("ending")]
        return max([told_at, *said[:1]])

    def _clear_up(self, process: subprocess.Popen[bytes]) -> None:
        """End what is left of it, and wait for its keepers."""
        kill(signal.SIGKILL, *self.ranks().values())
        if process.poll() is None:
            process.kill()
        process.wait()
        keepers = {event["pid"] for event in self.events("joined")}
        until = time.monotonic() + 10
        while any(map(is_keeper, keepers)) and time.monotonic() < until:
            threading.Event().wait(0.05)
        kill(signal.SIGKILL, *filter(is_keeper, keepers))
        self.thief.close()
        self._admin.close()

    # -- what is left of it ----------------------------------------------------------

    def _measured(self, working: set[str], ended_at: float) -> Measured:
        logged = max(note["logged"] for note in self.notes("step") if not note["rank"])
        status, arrived = self._at_mlflow()
        lived = [
            stolen
            for stolen in self.thief.stolen.values()
            if stolen.lease_id in working or (stolen.refused_at or 0) > ended_at
        ]
        of_store = [stolen for stolen in lived if stolen.scope != "mlflow"]
        tokens = [stolen for stolen in lived if stolen.scope == "mlflow"]
        return Measured(
            cell=self.cell,
            acquired=self._acquired(),
            generations=min(
                len({s.lease_id for s in self.thief.stolen.values() if s.scope == name})
                for name in SCOPES
            ),
            logged=logged,
            arrived=arrived,
            status=status,
            checkpoint=self._readable(),
            fate=self._fate(of_store),
            seconds=latest(of_store, ended_at) - ended_at,
            token_seconds=latest(tokens, ended_at) - ended_at,
            login_revoked=any(
                event["scope"] == "login:bao" for event in self.events("revoked")
            ),
            shredded=self._shredded(),
            log=self.log(),
        )

    def _acquired(self) -> bool:
        """Whether each scope was leased before anything was read or logged by it."""
        issued: dict[str, float] = {}
        for event in self.events("issued"):
            issued.setdefault(event["scope"], event["at"])
        used: dict[str, float] = {}
        for note in self.notes("use"):
            used.setdefault(note["scope"], note["at"])
        # The journal's instants are rounded to milliseconds.
        return set(used) == set(SCOPES) and all(
            issued[scope] <= at + 0.001 for scope, at in used.items()
        )

    def _fate(self, lived: list[Stolen]) -> str:
        """The least of what became of the credentials that lived at the end.

        An owner that comes to its end revokes what it has. What had run out by then was
        no longer there; of what one had that was killed nothing is said.
        """
        owners = {e["lease_id"]: e["pid"] for e in self.events("issued", "replaced")}
        revoked = {e["lease_id"]: e["at"] for e in self.events("revoked")}
        ended: dict[int, float] = {}
        for event in self.events("revoked"):
            ended[event["pid"]] = event["at"]
        for stolen in lived:
            at = revoked.get(stolen.lease_id)
            if at is None and stolen.expires_at > ended.get(owners[stolen.lease_id], 0):
                return "TTL"
            # Near its end it cannot be told why the store refuses it.
            late = (stolen.refused_at or 0) >= stolen.expires_at
            if at is not None and late and stolen.expires_at > at + SOON:
                return "TTL"
        return "revoked"

    def _shredded(self) -> str:
        """What the processes that had a block say of their memory."""
        said: dict[int, list[bool]] = {}
        for event in self.events("shredded"):
            if "sweep" not in event:
                continue  # the login, which nobody was shown
            swept = event["sweep"]
            clean = event["not_swept"] == "nothing was revealed"
            clean = clean or (swept is not None and swept["left"] == 0)
            said.setdefault(event["pid"], []).append(clean)
        blocks = {note["pid"] for note in self.notes("block")}
        clean = [pid for pid in blocks if said.get(pid) and all(said[pid])]
        silent = [pid for pid in blocks if pid not in said]
        if len(clean) == len(blocks):
            return "clean"
        if len(silent) == len(blocks):
            return "gone"
        if len(clean) + len(silent) == len(blocks):
            return f"{len(clean)} clean, {len(silent)} gone"
        return "not clean"

    def _at_mlflow(self) -> tuple[str, int]:
        """The run's status, and how many values of its loss are there."""
        (experiment,) = self._ask(
            "experiments/search", max_results=1, filter=f"name = '{self.told.run}'"
        )["experiments"]
        (run,) = self._ask(
            "runs/search", experiment_ids=[experiment["experiment_id"]], max_results=5
        )["runs"]
        answer = self._admin.get(
            f"{self.told.mlflow}/api/2.0/mlflow/metrics/get-history",
            params={"run_id": run["info"]["run_id"], "metric_key": "loss"},
            timeout=30,
        )
        return run["info"]["status"], len(answer.json().get("metrics", []))

    def _ask(self, what: str, **question: Any) -> Any:
        address = f"{self.told.mlflow}/api/2.0/mlflow/{what}"
        answer = self._admin.post(address, json=question, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def _checkpoints(self) -> list[str]:
        with store(self.stack) as client:
            listed = client.list_objects_v2(
                Bucket="checkpoints", Prefix=f"{self.told.run}/"
            )
        return [item["Key"] for item in listed.get("Contents", ())]

    def _readable(self) -> bool:
        """Whether every checkpoint that is there can be loaded."""
        found = [key for key in self._checkpoints() if key.endswith(READ_BACK)]
        with store(self.stack) as client:
            for key in found:
                target = self.folder / "read.ckpt"
                client.download_file("checkpoints", key, str(target))
                torch.load(target, weights_only=True)
        return bool(found)


@contextmanager
def store(stack: DevStack) -> Iterator[Any]:
    """A client that may see all of the store."""
    client = stack.admin_s3()
    yield client
    client.close()


def lines(path: Path) -> list[dict[str, Any]]:
    """The JSON lines of a file that may not be there yet."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def kill(number: signal.Signals, *pids: int) -> None:
    """Send a signal to those that are there still."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def is_keeper(pid: int) -> bool:
    """Whether a process is there, and is a keeper."""
    with suppress(psutil.Error):
        return "mlsecrets._keeper" in psutil.Process(pid).cmdline()
    return False


def latest(stolen: list[Stolen], least: float) -> float:
    """When the last of them was refused."""
    return max([least, *(each.refused_at or 0.0 for each in stolen)])
