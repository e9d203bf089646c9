"""The stack as a whole: private, without leaks, and gone when it should be."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from mlsecrets import devstack
from mlsecrets.devstack import Binaries, DevStack, DevStackError, EngineFailed, _ports

SECRET_FILES = (
    "role-id",
    "secret-id",
    "ada-password",
    "ops-password",
    "hf-token",
    "workload-key.pem",
    "store-admin.json",
    "openbao/seal-key",
    "seaweedfs/iam.json",
    "seaweedfs/s3.json",
    "seaweedfs/security.toml",
)
# A random value as these files hold them: base64, base64url or hex.
RANDOM = re.compile(rb"[A-Za-z0-9+/_-]{20,}={0,2}")


def until(condition: Callable[[], bool], timeout: float = 15.0) -> bool:
    """Whether it comes true in time."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def gone(pid: int) -> bool:
    """Dead, or only waiting for its new parent to notice."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def secrets_of(stack: DevStack) -> set[bytes]:
    """Every random value in the stack's secret files."""
    found: set[bytes] = set()
    for name in SECRET_FILES:
        content = (stack.folder / name).read_bytes()
        found |= set(RANDOM.findall(content)) or {content}
    # An access key's id is no secret, nor is what has no digit: names of actions.
    public = {stack.store.admin_key().access_key.encode()}
    return {word for word in found - public if re.search(rb"\d", word)}


def test_every_name_of_the_package_resolves() -> None:
    """`__all__` is sorted, and everything in it is documented."""
    assert devstack.__all__ == sorted(devstack.__all__)
    assert dir(devstack) == devstack.__all__
    for name in devstack.__all__:
        assert getattr(devstack, name).__doc__
    with pytest.raises(AttributeError, match="DevStak"):
        devstack.DevStak  # noqa: B018


def test_the_parts_are_there(stack: DevStack) -> None:
    """What a test or a demo reaches for."""
    assert stack.manifest_path == stack.folder / "mlsecrets.toml"
    assert stack.mlflow is None
    assert set(stack.processes) == {"openbao", "seaweedfs", "revoker", "supervisor"}
    logs = {path.name for path in stack.logs.iterdir()}
    engines = {"openbao.log", "seaweedfs.log", "revoker.log"}
    assert logs == engines | {"openbao-audit.jsonl"}


def test_nobody_else_can_read_anything(stack: DevStack) -> None:
    """The folder is 0700; what we write, and every log, is 0600."""
    assert stack.folder.stat().st_mode & 0o777 == 0o700
    files = [stack.folder / name for name in SECRET_FILES]
    files += [stack.manifest_path, *stack.logs.iterdir()]
    files += [stack.folder / "openbao" / "config.hcl"]
    files += [stack.folder / "revoker" / "config.json"]
    modes = {path.name: path.stat().st_mode & 0o777 for path in files}
    assert set(modes.values()) == {0o600}, modes


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_secret_is_in_any_argv_or_environ(stack: DevStack) -> None:
    """Other processes of this user, and often every user, can read those."""
    secrets = secrets_of(stack)
    assert len(secrets) > 12
    for pid in stack.processes.values():
        for what in ("cmdline", "environ"):
            shown = Path(f"/proc/{pid}/{what}").read_bytes()
            assert not [secret for secret in secrets if secret in shown]


def test_no_secret_is_in_any_log(stack: DevStack, job: Any) -> None:
    """Neither the stack's own nor one that it issued, refusals included."""
    session = job.session("data-reader", "leaky")
    job.s3(session, "GET", "datasets/none")
    job.s3(
        type(session)("AKIAUNKNOWN", "x" * 40, session.token), "GET", "datasets/none"
    )
    job.assume("data-reader", "leaky", WebIdentityToken=job.jwt()[:-4])
    job.bao("POST", "auth/approle/login", role_id="x", secret_id="y")
    job.end(job.proof(session))
    role_id = stack.openbao.role_id_file.read_bytes()
    issued = {secret.encode() for secret in job.secrets}
    for log in stack.logs.iterdir():
        text = log.read_bytes()
        # OpenBao's audit log names the entity's alias, which is the role id: the half
        # of an AppRole that is no secret.
        known = (secrets_of(stack) | issued) - {role_id}
        shown = [secret for secret in known if secret in text]
        lines = [line for line in text.splitlines() if any(s in line for s in shown)]
        assert not lines, log.name


def test_nothing_of_it_shows_in_a_repr(stack: DevStack) -> None:
    """Tracebacks and notebooks print those."""
    parts = (stack, stack.openbao, stack.store, stack.revoker, stack.openbao.admin())
    shown = "".join(map(repr, [*parts, stack.store.admin_key(), vars(stack)])).encode()
    assert not [secret for secret in secrets_of(stack) if secret in shown]


def test_two_stacks_run_side_by_side(stack: DevStack) -> None:
    """Each with its own ports, folder and keys."""
    with DevStack(ttl=1) as other:
        assert other.openbao.address != stack.openbao.address
        assert other.folder != stack.folder
        assert secrets_of_both(stack, other) == set()


def secrets_of_both(one: DevStack, other: DevStack) -> set[str]:
    """What they have in common and should not."""
    names = ("role-id", "secret-id", "store-admin.json")
    read = [
        {(stack.folder / name).read_text() for name in names} for stack in (one, other)
    ]
    return read[0] & read[1]


def test_a_proxy_is_not_for_our_own_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many machines have one set, and it does not know our loopback."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with DevStack(ttl=1, ops=True) as stack:
        assert stack.openbao.admin().request("GET", "sys/auth").status_code == 200
        assert stack.store.metrics()
        s3 = stack.admin_s3()
        assert s3.list_buckets()["Buckets"]
        s3.close()


def test_closing_leaves_nothing_behind() -> None:
    """Neither processes nor files, also those that the store puts elsewhere."""
    stack = DevStack(ttl=1).start()
    pids, folder = stack.processes.values(), stack.folder
    sockets = stack.store.litter()
    assert any(path.exists() for path in sockets)
    started = time.monotonic()
    stack.close()
    assert time.monotonic() - started < 2.0
    assert all(map(gone, pids))
    assert not folder.exists()
    assert not any(path.exists() for path in sockets)
    stack.close()
    with pytest.raises(DevStackError, match="not running"):
        stack.openbao  # noqa: B018


def test_a_named_folder_keeps_the_logs(tmp_path: Path) -> None:
    """And nothing else; the next stack may use it again."""
    folder = tmp_path / "stack"
    for _ in range(2):
        with DevStack(ttl=1, folder=folder) as stack:
            assert stack.folder == folder
            assert stack.manifest_path.exists()
        assert {path.name for path in folder.iterdir()} == {"logs", ".devstack"}
        assert (folder / "logs" / "openbao-audit.jsonl").stat().st_size > 0


def test_an_exception_in_the_block_stops_everything() -> None:
    """And goes on its way."""
    stack = DevStack(ttl=1)
    pids: list[int] = []

    def fail() -> None:
        with stack:
            pids.extend(stack.processes.values())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert len(pids) == 4
    assert all(map(gone, pids))


def test_a_stack_starts_once() -> None:
    """A second start would lose the first."""
    with DevStack(ttl=1) as stack:
        with pytest.raises(DevStackError, match="already been started"):
            stack.start()
        assert not gone(stack.processes["openbao"])


@pytest.mark.parametrize("ttl", [0, -1, 0.5, 10.5])
def test_lifetimes_are_whole_seconds(ttl: float) -> None:
    """OpenBao would round them, and 0 is a JWT that has expired when it is issued."""
    with pytest.raises(ValueError, match="whole seconds, at least 1"):
        DevStack(ttl=ttl)


def test_an_engine_is_away_for_a_block(stack: DevStack) -> None:
    """Also when the block raises; it knows afterwards what it knew before."""
    bao = psutil.Process(stack.processes["openbao"])
    with suppress(ZeroDivisionError), stack.away("openbao"):
        assert until(lambda: bao.status() == psutil.STATUS_STOPPED)
        1 / 0  # noqa: B018
    assert until(lambda: bao.status() != psutil.STATUS_STOPPED)
    for wrong in ((), ("openboa",), ("supervisor",)):
        with pytest.raises(ValueError, match="openbao"), stack.away(*wrong):
            raise AssertionError("something was stopped")


def test_a_failed_start_shows_the_log_and_stops_the_rest(
    script: Callable[[str, str], Path],
) -> None:
    """An engine that will not start takes the others, and the folder, with it."""
    bao = script(
        "bao",
        '[ "$1" = version ] && echo "OpenBao v2.7.2 (fake)" && exit\n'
        "echo 'error: no such seal type' >&2; echo \"home $HOME\" >&2; exit 3",
    )
    before = set(psutil.Process().children(recursive=True))
    with pytest.raises(EngineFailed) as caught:
        DevStack(ttl=1, binaries=Binaries(openbao=bao)).start()
    message = str(caught.value)
    assert "openbao exited with 3 instead of starting" in message
    assert "error: no such seal type" in message
    home = Path(message.rpartition("home ")[2])
    assert home.name == "openbao"
    assert not home.parent.exists()
    assert set(psutil.Process().children(recursive=True)) <= before


@pytest.mark.parametrize(
    ("engine", "offset"),
    [("openbao", 0), ("store.s3", 0), ("store.filer", 10_000), ("revoker", 0)],
)
def test_a_lost_port_is_tried_again_elsewhere(
    engine: str, offset: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody bound it between our look and the engine's."""
    allocate = _ports.allocate
    calls: list[Any] = []
    with socket.socket() as thief:

        def lose_one(shapes: dict[str, tuple[int, ...]]) -> dict[str, int]:
            found = allocate(shapes)
            if not calls:
                thief.bind(("127.0.0.1", found[engine] + offset))
                thief.listen()
            calls.append(found)
            return found

        monkeypatch.setattr(_ports, "allocate", lose_one)
        with DevStack(ttl=1) as stack:
            assert len(calls) == 2
            assert stack.manifest_path.exists()


OWNER = """
import sys, time
from mlsecrets.devstack import DevStack
stack = DevStack(ttl=5).start()
print(stack.folder, *stack.processes.values(), flush=True)
{then}
"""


@pytest.fixture
def owner() -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Run a program that owns a stack."""
    started: list[subprocess.Popen[str]] = []

    def start(then: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", OWNER.replace("{then}", then)],
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        with process:
            pass


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_nothing_outlives_an_owner_that_is_killed(
    how: signal.Signals, owner: Callable[[str], subprocess.Popen[str]]
) -> None:
    """Engines and folder go within a moment, though no exit handler has run."""
    process = owner("time.sleep(600)")
    assert process.stdout is not None
    folder, *pids = process.stdout.readline().split()
    assert len(pids) == 4
    assert Path(folder).exists()
    os.kill(process.pid, how)
    assert until(lambda: all(gone(int(pid)) for pid in pids))
    assert until(lambda: not Path(folder).exists())


@pytest.mark.parametrize("then", ["", "sys.exit(3)", "1 / 0", "import os; os._exit(1)"])
def test_nothing_outlives_an_owner_that_forgets_to_close(
    then: str, owner: Callable[[str], subprocess.Popen[str]]
) -> None:
    """By the end of the script, by an exception, by an exit past all handlers."""
    process = owner(then)
    assert process.stdout is not None
    folder, *pids = process.stdout.readline().split()
    process.wait(20)
    assert until(lambda: all(gone(int(pid)) for pid in pids))
    assert until(lambda: not Path(folder).exists())
