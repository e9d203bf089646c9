"""Who has what: the keeper the identity and the login, the trainer neither."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mlsecrets.devstack import DevStack
from tests.keeper.conftest import Start
from tests.keeper.trainer import events

#: Notes what the process opens and whom it connects to, from its first line on.
WATCHED = """
opened, called = [], []
def watch(event, args):
    if event == "open":
        opened.append(str(args[0]))
    elif event == "socket.connect":
        called.append(str(args[1]))
sys.addaudithook(watch)
with lease("train-data") as data:
    data.snapshot()
    data.reject(data.snapshot().terms.generation)
    data.snapshot()
    tell([opened, called])
    heard()
"""
#: The same, and logs in itself, as the keeper does.
CONTROL = (
    """
import urllib.request
from pathlib import Path
folder = Path(manifest).parent
secret = (folder / "secret-id").read_text()
login = json.dumps({"role_id": (folder / "role-id").read_text(), "secret_id": secret})
address = [s for s in Path(manifest).read_text().split('"') if "://127" in s][0]
request = urllib.request.Request(
    address + "/v1/auth/approle/login", login.encode(), method="POST"
)
token = json.load(urllib.request.urlopen(request))["auth"]["client_token"]
"""
    + WATCHED
)
#: What OpenBao's tokens look like: ``s.`` and 24 characters.
TOKEN = re.compile(rb"\b(?:hv)?s\.[A-Za-z0-9]{24}\b")


def found_in(pid: int, secret_id: bytes) -> tuple[bool, bool]:
    """Whether the memory of a process holds a secret id, and a login's token."""
    found = [False, False]
    maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in maps:
            span, mode = line.split()[:2]
            if not mode.startswith("rw"):
                continue
            first, last = (int(end, 16) for end in span.split("-"))
            try:
                memory.seek(first)
                content = memory.read(last - first)
            except (OSError, OverflowError):
                continue  # secretmem, or the kernel's
            found[0] |= secret_id in content
            found[1] |= TOKEN.search(content) is not None
    return found[0], found[1]


@pytest.mark.skipif(os.geteuid() != 0, reason="reads another process's memory")
def test_the_keeper_alone_has_the_identity_and_the_login(
    mlsecrets_stack: DevStack, start: Start
) -> None:
    """No file of the identity is opened, no issuer called, no secret in memory."""
    secret_id = mlsecrets_stack.openbao.secret_id_file.read_bytes()
    trainer = start(WATCHED)
    opened, called = trainer.says()
    assert not [path for path in opened if path.endswith(("role-id", "secret-id"))]
    assert called
    assert not [address for address in called if not address.endswith("/socket")]
    assert found_in(trainer.pid, secret_id) == (False, False)
    issued = events(trainer.journal, "issued", "replaced")
    assert {event["scope"] for event in issued} == {"login:bao", "train-data"}
    assert trainer.pid not in {event["pid"] for event in issued}


@pytest.mark.skipif(os.geteuid() != 0, reason="reads another process's memory")
def test_what_is_looked_for_is_found_where_it_is(
    mlsecrets_stack: DevStack, start: Start
) -> None:
    """The positive control: a thread that owns leases calls; a script keeps strings."""
    secret_id = mlsecrets_stack.openbao.secret_id_file.read_bytes()
    trainer = start(CONTROL, options={"keeper": "thread"})
    opened, called = trainer.says()
    assert [path for path in opened if path.endswith("secret-id")]
    assert [address for address in called if "127.0.0.1" in address]
    assert found_in(trainer.pid, secret_id) == (True, True)


HARDENED = """
with lease("train-data") as data:
    tell(keeper())
    heard()
"""
#: Of a process of the same user: whether its memory may be read.
SPY = """
import sys
for pid in sys.argv[1:]:
    try:
        open(f"/proc/{pid}/mem", "rb").close()
    except PermissionError:
        print("refused")
    else:
        print("open")
"""
_LIBC = ctypes.CDLL(None)
_CAPBSET_DROP, _CAP_SYS_PTRACE = 24, 19


def without_ptrace() -> None:
    """Before a program is run: root is to be like any user (capabilities(7))."""
    _LIBC.prctl(_CAPBSET_DROP, _CAP_SYS_PTRACE, 0, 0, 0)


def test_the_keeper_is_hardened(mlsecrets_stack: DevStack, start: Start) -> None:
    """No debugger, no core, no terminal; nothing secret where others may look."""
    trainer = start(HARDENED, preexec_fn=without_ptrace)
    keeper = trainer.says()
    spied = subprocess.run(
        [sys.executable, "-c", SPY, str(keeper), str(trainer.pid)],
        preexec_fn=without_ptrace,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    assert spied.stdout.split() == ["refused", "open"]
    of_keeper = Path(f"/proc/{keeper}")
    (core,) = re.findall(r"Max core file size +(\S+)", read(of_keeper / "limits"))
    assert core == "0"
    assert os.getsid(keeper) != os.getsid(trainer.pid)
    assert keeper not in children(trainer.pid)
    if os.geteuid() != 0:
        return  # what follows is refused: it is hardened
    for number in (0, 1, 2):
        assert (of_keeper / "fd" / str(number)).readlink() == Path(os.devnull)
    secret_id = mlsecrets_stack.openbao.secret_id_file.read_text().strip()
    for name in ("environ", "cmdline"):
        assert secret_id not in read(of_keeper / name)
        assert not TOKEN.search(read(of_keeper / name).encode())
    held = {str(link.readlink()) for link in (of_keeper / "fd").iterdir()}
    assert not [path for path in held if path.endswith(("role-id", "secret-id"))]


def read(path: Path) -> str:
    return path.read_text(errors="replace")


def children(pid: int) -> list[int]:
    return [int(one) for one in read(Path(f"/proc/{pid}/task/{pid}/children")).split()]
