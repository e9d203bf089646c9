"""The kernel confirms what `Protection` claims, and says why when it refuses."""

from __future__ import annotations

import faulthandler
import gc
import json
import mmap
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from mlsecrets.memory import Protection, SecretBuffer, live_mappings

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")
forks = pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
PAGE = mmap.PAGESIZE


def maps() -> list[tuple[int, int, str, str]]:
    """Start, end, permissions and name of every mapping (proc_pid_maps(5))."""
    found = []
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        fields = line.split(maxsplit=5)
        start, _, end = fields[0].partition("-")
        name = fields[5].strip() if len(fields) > 5 else ""
        found.append((int(start, 16), int(end, 16), fields[1], name))
    return found


def permissions(address: int) -> str | None:
    """How the memory at an address may be used; None where nothing is mapped."""
    return next((may for low, high, may, _ in maps() if low <= address < high), None)


def open_files() -> int:
    """How many there are."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def vm_flags(address: int) -> set[str]:
    """The VmFlags of the mapping around an address (proc_pid_smaps(5))."""
    inside = False
    with Path("/proc/self/smaps").open(encoding="utf-8") as smaps:
        for line in smaps:
            first, *rest = line.split()
            if "-" in first and not first.endswith(":"):
                start, end = (int(part, 16) for part in first.split("-"))
                inside = start <= address < end
            elif inside and first == "VmFlags:":
                return set(rest)
    raise LookupError(hex(address))


@pytest.fixture
def no_secretmem(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel without memfd_secret: the call's number is one that none has."""
    from mlsecrets.memory import _pages_linux

    monkeypatch.setattr(_pages_linux, "_MEMFD_SECRET", 9999)
    monkeypatch.setattr(_pages_linux, "_SPARE", [])


@linux
@pytest.mark.parametrize("kernel", ["as it is", "without memfd_secret"])
def test_the_kernel_lists_the_granted_protections(
    kernel: str, request: pytest.FixtureRequest
) -> None:
    """lo: locked, dd: not dumped, dc: not in a child, wf: zeros in a child."""
    if kernel != "as it is":
        request.getfixturevalue("no_secretmem")
    with SecretBuffer(100) as buffer:
        flags = vm_flags(buffer.address)
        granted = buffer.protection
        assert ("lo" in flags) is (granted.kind != "plain")
        assert ("dd" in flags) is granted.undumpable
        assert bool({"dc", "wf"} & flags) is granted.wiped_on_fork


@linux
def test_all_protections_are_granted_where_nothing_forbids_them() -> None:
    """On this kernel, within RLIMIT_MEMLOCK, there is no reason for less."""
    with SecretBuffer(100) as buffer:
        if buffer.protection.kind != "secretmem":
            pytest.skip(f"not allowed here: {buffer.protection.reasons}")
        assert buffer.protection == Protection(
            "secretmem", guarded=True, undumpable=True, wiped_on_fork=True
        )


@linux
@pytest.mark.usefixtures("no_secretmem")
def test_without_memfd_secret_pages_are_locked_and_the_reason_is_told() -> None:
    """The next best, with one sentence for what is missing."""
    with SecretBuffer.of("secret") as buffer:
        if buffer.protection.kind == "plain":
            pytest.skip(f"mlock not allowed here: {buffer.protection.reasons}")
        assert buffer.protection == Protection(
            "mlocked",
            guarded=True,
            undumpable=True,
            wiped_on_fork=True,
            reasons=("a debugger can read it: memfd_secret: function not implemented",),
        )
        assert buffer.text() == "secret"


# Imports come first: afterwards the process may be nobody, who reads no files of ours.
_UNPRIVILEGED = """
import json, os, resource, sys
from mlsecrets.memory import SecretBuffer, _pages_linux, scrub
scrub()
limit, count = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_MEMLOCK, (limit, limit))
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
buffers = [SecretBuffer.of(f"secret {i}") for i in range(count)]
assert [b.text() for b in buffers] == [f"secret {i}" for i in range(count)]
print(json.dumps([
    [b.protection.kind, b.protection.undumpable, b.protection.wiped_on_fork,
     b.protection.guarded, b.protection.reasons] for b in buffers]))
"""


def kinds_of_nobody(limit: int, count: int) -> list[tuple[object, ...]]:
    """What an ordinary user gets for some credentials, by RLIMIT_MEMLOCK in bytes."""
    done = subprocess.run(  # our own interpreter and code
        [sys.executable, "-c", _UNPRIVILEGED, str(limit), str(count)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if os.getuid() == 0 and "PermissionError" in done.stderr:
        pytest.skip("root here may not become another user")
    if "not allowed to raise maximum limit" in done.stderr:
        pytest.skip(f"less than {limit} bytes may be locked here")
    assert done.returncode == 0, done.stderr
    return [tuple(found) for found in json.loads(done.stdout)]


@linux
def test_a_limit_of_64_kib_carries_a_dozen_credentials() -> None:
    """Only data is locked, one page each: what containers allow is enough."""
    if PAGE > 4096:
        pytest.skip("pages are larger here")
    kinds = [found[0] for found in kinds_of_nobody(64 * 1024, 12)]
    assert set(kinds) <= {"secretmem", "mlocked"}, kinds


@linux
def test_past_the_limit_memory_is_plain() -> None:
    """A single page is locked; what comes after it works, and says why not."""
    first, second = kinds_of_nobody(PAGE, 2)
    assert first[0] != "plain"
    assert second[0] == "plain"


@linux
def test_without_a_memlock_allowance_it_works_and_says_so() -> None:
    """RLIMIT_MEMLOCK 0, unprivileged: plain, the rest kept, and the reasons given."""
    ((kind, undumpable, wiped, guarded, reasons),) = kinds_of_nobody(0, 1)
    assert (kind, undumpable, wiped, guarded) == ("plain", True, True, True)
    assert isinstance(reasons, list)
    debugger, swap = reasons
    assert debugger.startswith("a debugger can read it: memfd_secret: ")
    assert swap.startswith("may go to swap: mlock: ")
    assert swap.endswith("RLIMIT_MEMLOCK (ulimit -l) is 0 bytes")


@linux
@pytest.mark.parametrize("size", [1, PAGE, PAGE + 1])
def test_both_neighbours_are_guard_pages(size: int) -> None:
    """The page before and the page after may be neither read nor written."""
    with SecretBuffer(size) as buffer:
        pages = -(-size // PAGE)
        assert permissions(buffer.address - 1) == "---p"
        assert permissions(buffer.address + pages * PAGE) == "---p"
        inside = {permissions(buffer.address + i * PAGE) for i in range(pages)}
        assert inside <= {"rw-s", "rw-p"}


@linux
@pytest.mark.parametrize("where", [-1, PAGE])
def test_touching_a_guard_page_faults(
    where: int, in_child: Callable[[Callable[[], None]], int]
) -> None:
    """An overrun ends the process instead of reading a neighbour."""
    import ctypes

    def child() -> None:
        faulthandler.disable()
        buffer = SecretBuffer(PAGE)
        ctypes.string_at(buffer.address, PAGE)
        ctypes.string_at(buffer.address + where, 1)

    assert in_child(child) == -signal.SIGSEGV


@linux
def test_a_kept_slice_reads_zeros_until_it_is_dropped() -> None:
    """Then, and not before, the mapping goes."""
    buffer = SecretBuffer.of("secret", bytes(PAGE))
    address = buffer.address
    with buffer.reading() as view:
        kept = view[:6]
    buffer.close()
    del buffer
    assert bytes(kept) == bytes(6)
    assert permissions(address) is not None
    kept.release()
    assert permissions(address) is None


@linux
def test_what_was_written_after_the_end_is_not_in_the_next_buffer() -> None:
    """Pages that are used again begin as zeros, whoever kept a slice of them."""
    buffer = SecretBuffer(6)
    address = buffer.address
    with buffer.writable() as view:
        kept = view[:]
    buffer.close()
    kept[:] = b"secret"
    kept.release()
    others = [SecretBuffer(6) for _ in range(4)]
    if others[0].protection.kind == "secretmem":
        assert address in {other.address for other in others}
    assert {other.text() for other in others} == {"\0" * 6}
    for other in others:
        other.close()


@linux
def test_many_buffers_leave_no_file_and_few_pages_behind() -> None:
    """No file stays open for a buffer; of those closed, two pages are kept at most."""
    files = open_files()
    before = sum(name.startswith("/secretmem") for *_, name in maps())
    buffers = [SecretBuffer(1) for _ in range(20)]
    assert open_files() == files
    for buffer in buffers:
        buffer.close()
    after = sum(name.startswith("/secretmem") for *_, name in maps())
    assert after <= before + 2


def test_closing_gives_the_memory_back() -> None:
    """A thousand buffers opened and closed leave no mapping behind."""
    before = list(live_mappings())
    for _ in range(1000):
        SecretBuffer.of("secret").close()
    assert list(live_mappings()) == before


@linux
@forks
def test_no_child_shares_memory_that_is_just_being_made(
    in_child: Callable[[Callable[[], None]], int],
) -> None:
    """Forks that fall between making and protecting a mapping wait for it."""
    stop = threading.Event()

    def make() -> None:
        while not stop.is_set():
            SecretBuffer(PAGE + 1).close()

    def child() -> None:
        assert not [name for *_, name in maps() if name.startswith("/secretmem")]

    makers = [threading.Thread(target=make) for _ in range(2)]
    for maker in makers:
        maker.start()
    try:
        assert {in_child(child) for _ in range(30)} == {0}
    finally:
        stop.set()
        for maker in makers:
            maker.join()


_CHILD_LIVES_ON = """
import gc, os, sys
from mlsecrets.memory import SecretBuffer
buffers = [SecretBuffer.of("secret", bytes(n)) for n in (0, 5000)]
reading = buffers[0].reading()
view = reading.__enter__()
kept = view[:]
pid = os.fork()
if pid == 0:
    assert bytes(kept) == bytes(6)
    SecretBuffer.of("its own").close()
    buffers.clear()
    del kept
    gc.collect()
    sys.exit(0)  # with all that an interpreter does at its end
_, status = os.waitpid(pid, 0)
assert bytes(kept) == b"secret"
sys.exit(os.waitstatus_to_exitcode(status))
"""


@linux
def test_a_forked_child_outlives_buffers_of_its_parent() -> None:
    """Collection and exit in the child touch nothing that is no longer there."""
    done = subprocess.run(  # our own interpreter and code
        [sys.executable, "-X", "dev", "-c", _CHILD_LIVES_ON],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_elsewhere_it_works_with_less_and_says_so(
    platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where only the mmap module is known to work, reasons say what is missing."""
    monkeypatch.setattr(sys, "platform", platform)
    with SecretBuffer.of("secret") as buffer:
        assert buffer.text() == "secret"
        protection = buffer.protection
        assert (protection.guarded, protection.undumpable) == (False, False)
        assert protection.reasons[0] == (
            "a debugger can read it: memfd_secret is Linux only"
        )
        assert "no guard pages: not on this platform" in protection.reasons
        forks_inherit = "forked children inherit it: madvise(WIPEONFORK) is Linux only"
        assert (forks_inherit in protection.reasons) is (platform == "darwin")
        with buffer.reading() as view:
            kept = view[:]
    assert bytes(kept) == bytes(6)
    kept.release()
    gc.collect()


def test_importing_loads_no_ctypes() -> None:
    """Processes without a secret do not pay for ctypes."""
    code = "import mlsecrets.memory, sys; sys.exit('ctypes' in sys.modules)"
    done = subprocess.run(  # our own interpreter and code
        [sys.executable, "-c", code], timeout=60, check=False
    )
    assert done.returncode == 0
