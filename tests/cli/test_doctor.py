"""`mlsecrets doctor` against real servers: all green, and red with a remedy."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from mlsecrets import _session
from mlsecrets.devstack import DevStack
from mlsecrets.testing import FakeClock

Run = Callable[..., Result]
Keeps = Callable[[str], None]


def findings(shown: Result) -> dict[str, dict[str, Any]]:
    """By name; the exit status agrees with them."""
    report = json.loads(shown.stdout)
    assert report["ok"] == (shown.exit_code == 0)
    assert report["ok"] == all(check["ok"] for check in report["checks"])
    return {check["name"]: check for check in report["checks"]}


def red(shown: Result) -> dict[str, dict[str, Any]]:
    """The failures; each says what to do."""
    assert shown.exit_code == 1
    found = {name: c for name, c in findings(shown).items() if not c["ok"]}
    assert found
    assert all(check["remedy"] for check in found.values())
    return found


@pytest.fixture
def doctor(run: Run, job: Any, keeps_secrets: Keeps) -> Callable[..., Result]:
    """Run it on the job's manifest; whatever it prints holds no secret."""

    def examine(*options: str) -> Result:
        shown = run("doctor", "--config", job.manifest, *(options or ["--json"]))
        keeps_secrets(shown.output)
        return shown

    return examine


@pytest.fixture
def own_stack() -> Iterator[DevStack]:
    """A stack to be broken."""
    with DevStack(ttl=10, ops=True) as stack:
        yield stack


def test_all_is_well(doctor: Callable[..., Result], mlsecrets_stack: DevStack) -> None:
    """Who, where, when, which rights, how long, in which memory: all is told."""
    found = findings(doctor())
    assert list(found) == [
        "manifest",
        "issuer bao",
        "clock, against bao",
        "issuer store",
        "clock, against store",
        "revoker store",
        "login at bao",
        "scope train-data",
        "life of train-data",
        "scope checkpoints",
        "life of checkpoints",
        "scope mlflow",
        "life of mlflow",
        "memory",
        "sweep",
        "packages",
    ]
    assert all(check["ok"] for check in found.values())
    assert mlsecrets_stack.openbao.address in found["issuer bao"]["found"]
    login = found["login at bao"]["found"]
    assert "identity job (approle)" in login
    assert "policies default, job" in login
    assert "token lives 30 s, renewable" in login
    assert "accessor " in login
    assert found["scope train-data"]["found"].endswith("; revoked")
    assert "ends at TTL (a signed JWT" in found["scope mlflow"]["found"]
    assert "in a job of 12 h" in found["life of checkpoints"]["found"]


def test_people_get_lines(doctor: Callable[..., Result]) -> None:
    """The same findings, and a last line that says it all."""
    shown = doctor("--job-length", "90s")
    assert shown.exit_code == 0
    lines = shown.stdout.splitlines()
    assert lines[0].startswith("ok    manifest ")
    assert "in a job of 90 s" in shown.stdout
    assert lines[-1] == "everything is fine"


def test_it_gives_back_what_it_took(
    doctor: Callable[..., Result], mlsecrets_stack: DevStack
) -> None:
    """No token of the examination is alive after it."""
    admin = mlsecrets_stack.openbao.admin()
    before = accessors(admin)
    assert doctor().exit_code == 0
    assert accessors(admin) <= before


def accessors(admin: Any) -> set[str]:
    with admin.request("LIST", "auth/token/accessors") as answer:
        return set(answer.json()["data"]["keys"])


def test_a_wrong_secret_id(doctor: Callable[..., Result], job: Any) -> None:
    """The login fails, and what depends on it is not tried."""
    (job.folder / "secret-id").write_text("wrong")
    found = red(doctor())
    assert "LoginRefused" in found["login at bao"]["found"]
    for scope in ("train-data", "checkpoints", "mlflow"):
        check = found[f"scope {scope}"]
        assert (check["found"], check["remedy"]) == (
            "not tried",
            "see to 'login at bao' first",
        )


def test_a_missing_secret_id(doctor: Callable[..., Result], job: Any) -> None:
    """The file is named."""
    (job.folder / "secret-id").unlink()
    check = red(doctor())["login at bao"]
    assert "IdentityError" in check["found"]
    assert str(job.folder / "secret-id") in check["found"]


def test_an_unknown_role(doctor: Callable[..., Result], job: Any) -> None:
    """That one scope fails, with its owner to ask; the others are tried."""
    job.edit("role/data-reader", "role/nobody")
    found = red(doctor())
    assert set(found) == {"scope train-data"}
    assert "AccessRefused" in found["scope train-data"]["found"]
    assert "data-platform@example.org" in found["scope train-data"]["remedy"]


def test_a_path_that_is_not_allowed(doctor: Callable[..., Result], job: Any) -> None:
    """The policy says no; whom to ask is said, too."""
    job.edit('path = "identity/oidc/token/mlflow"', 'path = "sys/mounts"')
    check = red(doctor())["scope mlflow"]
    assert "does not let this identity read sys/mounts" in check["found"]
    assert "tracking@example.org" in check["remedy"]


def test_a_ttl_that_is_too_short(run: Run, keeps_secrets: Keeps) -> None:
    """It works, but not for long: one slow answer ends the job."""
    with DevStack(ttl=2) as stack:
        shown = run("doctor", "--config", stack.manifest_path, "--json")
    keeps_secrets(shown.output)
    check = red(shown)["life of train-data"]
    assert "lives 1 s" in check["found"]
    assert "lengthen the ttl" in check["remedy"]


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_a_clock_that_is_an_hour_off(
    doctor: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    """Seen at every server, and in the scopes that need signatures."""
    clock = FakeClock(wall=None)
    clock.jump(jump)
    monkeypatch.setattr("mlsecrets.clock.SYSTEM_CLOCK", clock)
    found = red(doctor())
    word = "ahead" if jump > 0 else "behind"
    for name in ("clock, against bao", "clock, against store"):
        assert word in found[name]["found"]
        assert "synchronise the clock" in found[name]["remedy"]
    assert "ClockSkew" in found["scope train-data"]["found"]


def test_a_stopped_server(run: Run, own_stack: DevStack, keeps_secrets: Keeps) -> None:
    """The address is named; the store is still looked at."""
    os.kill(own_stack.processes["openbao"], signal.SIGKILL)
    port = int(own_stack.openbao.address.rpartition(":")[2])
    # The kernel may take connections for a moment after the signal.
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with suppress(ConnectionResetError), socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED:
                break
    shown = run("doctor", "--config", own_stack.manifest_path, "--json")
    keeps_secrets(shown.output)
    found = red(shown)
    assert own_stack.openbao.address in found["issuer bao"]["found"]
    assert "check that it runs" in found["issuer bao"]["remedy"]
    assert found["scope train-data"]["remedy"] == "see to 'issuer bao' first"
    assert "issuer store" not in found


def test_a_sealed_server(run: Run, own_stack: DevStack) -> None:
    """It answers, and an operator has to act."""
    own_stack.openbao.admin().request("PUT", "sys/seal").close()
    check = red(run("doctor", "--config", own_stack.manifest_path, "--json"))
    assert check["issuer bao"]["found"].endswith("is sealed")
    assert "unseal" in check["issuer bao"]["remedy"]


def test_what_answers_but_is_no_openbao(
    doctor: Callable[..., Result], job: Any, mlsecrets_stack: DevStack
) -> None:
    """Here the revoker's address, in the place of OpenBao's."""
    job.edit(mlsecrets_stack.openbao.address, mlsecrets_stack.revoker.address)
    check = red(doctor())["issuer bao"]
    assert "its health is 404" in check["found"]
    assert "check that the address" in check["remedy"]


def test_what_answers_but_is_no_revoker(
    doctor: Callable[..., Result],
    job: Any,
    mlsecrets_stack: DevStack,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Here OpenBao's address; sessions could not be ended."""
    monkeypatch.setattr(_session, "FAREWELL", 1.0)  # seconds of trying to, not ten
    job.edit(mlsecrets_stack.revoker.address, mlsecrets_stack.openbao.address)
    found = red(doctor())
    assert set(found) == {"revoker store"}


def test_no_manifest(run: Run) -> None:
    """How to get one is said."""
    check = red(run("doctor", "--json"))["manifest"]
    assert "ManifestNotFound" in check["found"]
    assert "mlsecrets init" in check["remedy"]


def test_what_init_writes_is_examined_to_the_end(run: Run, tmp_path: Path) -> None:
    """Nothing of it answers yet, and every line says what to do."""
    assert run("init", "--openbao", "http://127.0.0.1:9").exit_code == 0
    text = (tmp_path / "mlsecrets.toml").read_text()
    # Port 9 answers nobody here, and asks no name server.
    for host in ("sts", "s3"):
        text = text.replace(f"https://{host}.example.org", "http://127.0.0.1:9")
    (tmp_path / "mlsecrets.toml").write_text(text)
    found = red(run("doctor", "--json"))
    assert {"issuer bao", "issuer store", "scope mlflow"} <= set(found)
