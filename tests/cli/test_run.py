"""Programs in any language, on leases: `mlsecrets run`."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError
from typer.testing import Result

from mlsecrets import Grant, Reference, Terms, UsernamePassword, open_scopes
from mlsecrets.cli._endpoint import Endpoint, _write
from mlsecrets.clock import SYSTEM_CLOCK, pause
from mlsecrets.devstack import DevStack
from mlsecrets.memory import Draft
from tests.cli.conftest import JobFolder
from tests.cli.processes import alive

Run = Callable[..., Result]
Spawn = Callable[..., "subprocess.Popen[str]"]

RUN = ("-m", "mlsecrets", "run")
PATIENCE = 30.0
#: Says which credentials each request was signed with: until there were three.
READER = """
import boto3
client = boto3.client("s3")
seen = []
while len(seen) < 3:
    page = client.list_objects_v2(Bucket="datasets", Prefix="digits/")
    key = client._request_signer._credentials.get_frozen_credentials().access_key
    if key not in seen:
        seen.append(key)
        print(key, flush=True)
"""
#: What a thief would do who has read its memory: tells the values, and stays.
TELLER = """
import json, os, signal, sys
from botocore.session import Session
found = Session().get_credentials().get_frozen_credentials()
print(json.dumps([*found[:3], dict(os.environ), os.getpid()]), flush=True)
signal.pause()
"""
#: The endpoint, asked by a program that has no SDK.
CURL = (
    'curl -s -w "\\n%{http_code}\\n" -H "Authorization: '
    '$(cat "$MLSECRETS_ENDPOINT_TOKEN_FILE")" "$MLSECRETS_ENDPOINT/'
)


def at(job: JobFolder, **more: str) -> Mapping[str, str]:
    """The environment of somebody who works in a job's folder, with AWS keys set."""
    outer = {name: v for name, v in os.environ.items() if name != "MLSECRETS_SOCK"}
    ambient = {"AWS_ACCESS_KEY_ID": "ambient", "AWS_SECRET_ACCESS_KEY": "ambient"}
    # What a run that is killed leaves there goes with the test.
    return {**outer, **ambient, "TMPDIR": str(job.folder), **more}


def until(condition: Callable[[], object]) -> None:
    """Poll, with a deadline."""
    deadline = SYSTEM_CLOCK.monotonic() + PATIENCE
    while not condition():
        assert SYSTEM_CLOCK.monotonic() < deadline
        pause(SYSTEM_CLOCK, 0.02)


def told(process: subprocess.Popen[str]) -> tuple[list[str], dict[str, str], int]:
    assert process.stdout is not None
    *values, env, pid = json.loads(process.stdout.readline())
    return values, env, pid


def serves(stack: DevStack, values: list[str]) -> bool:
    """Whether the store takes these credentials."""
    key, secret, token = values
    client = boto3.client(
        "s3",
        endpoint_url=stack.store.address,
        region_name="us-east-1",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=Config(retries={"total_max_attempts": 1}),
    )
    try:
        client.list_objects_v2(Bucket="datasets", Prefix="digits/")
    except ClientError:
        return False
    finally:
        client.close()
    return True


def test_an_sdk_follows_each_rotation(
    spawn: Spawn, job: JobFolder, mlsecrets_stack: DevStack
) -> None:
    """It never asks with credentials that have ended, nor with those around it."""
    process = spawn(*RUN, "train-data", "--", sys.executable, "-c", READER, env=at(job))
    output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (0, "")
    assert len(set(output.split())) == 3
    assert "ambient" not in output


def test_the_sdk_of_another_language_reads_by_it(
    spawn: Spawn, job: JobFolder, mlsecrets_stack: DevStack
) -> None:
    """Arrow's S3 client is AWS's for C++: it asks the endpoint by itself."""
    pytest.importorskip("pyarrow.fs")
    key = mlsecrets_stack.seed_digits()["train"][0]
    script = (
        "import os; from pyarrow.fs import S3FileSystem\n"
        "store = S3FileSystem(endpoint_override=os.environ['AWS_ENDPOINT_URL_S3'])\n"
        f"print(store.open_input_stream('datasets/{key}').read(4))\n"
    )
    process = spawn(*RUN, "train-data", "--", sys.executable, "-c", script, env=at(job))
    output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output) == (0, "b'PAR1'\n"), errors


def test_no_secret_is_in_its_environment_and_its_end_revokes(
    spawn: Spawn,
    job: JobFolder,
    mlsecrets_stack: DevStack,
    keeps_secrets: Callable[[str], None],
) -> None:
    """Not in ours either. SIGTERM is the command's, and the status comes back."""
    process = spawn(*RUN, "train-data", "--", sys.executable, "-c", TELLER, env=at(job))
    values, env, pid = told(process)
    for where in (process.pid, pid):
        for file in ("environ", "cmdline"):
            text = Path(f"/proc/{where}/{file}").read_text(errors="replace")
            keeps_secrets(text)
            assert not [value for value in values if value in text]
    assert env["AWS_ENDPOINT_URL_S3"] == mlsecrets_stack.store.address
    assert "AWS_ACCESS_KEY_ID" not in env
    token = Path(env["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"])
    assert token.stat().st_mode & 0o777 == 0o600
    assert token.read_text() not in json.dumps(env)
    assert serves(mlsecrets_stack, values)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (128 + signal.SIGTERM, "")
    assert not serves(mlsecrets_stack, values)
    assert not token.parent.exists()


def test_what_outlives_the_command_has_nothing(
    spawn: Spawn, job: JobFolder, mlsecrets_stack: DevStack
) -> None:
    """It is not killed, but neither the endpoint nor its credentials are there."""
    script = f'{sys.executable} -c "$TELLER" & exec sh -c "read line; exit 7"'
    env = at(job, TELLER=TELLER)
    process = spawn(*RUN, "train-data", "--", "sh", "-c", script, env=env)
    values, env, pid = told(process)
    assert serves(mlsecrets_stack, values)
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    try:
        assert process.wait(PATIENCE) == 7
        assert alive({pid})
    finally:
        os.kill(pid, signal.SIGTERM)
    assert not serves(mlsecrets_stack, values)
    port = int(env["MLSECRETS_ENDPOINT"].rpartition(":")[2])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), PATIENCE)


@pytest.mark.skipif(shutil.which("curl") is None, reason="asks with curl")
def test_a_program_without_an_sdk_asks_for_any_lease(
    spawn: Spawn, job: JobFolder
) -> None:
    """With the token of the file: without it, and for others, nothing is told."""
    script = (
        f'{CURL}mlflow"; {CURL}checkpoints"; {CURL}none"\n'
        'curl -s -w "\\n%{http_code}\\n" "$MLSECRETS_ENDPOINT/mlflow"; exit 3'
    )
    scopes = ("mlflow", "checkpoints")
    process = spawn(*RUN, *scopes, "--", "sh", "-c", script, env=at(job))
    output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (3, "")
    lines = output.splitlines()
    answers = [json.loads(line) for line in lines[::2]]
    assert lines[1::2] == ["200", "200", "404", "401"]
    bearer, stored, unknown, stranger = answers
    assert bearer.keys() == {"Expiration", "Token"}
    assert bearer["Token"].startswith("eyJ")
    assert stored.keys() == {"AccessKeyId", "SecretAccessKey", "Token", "Expiration"}
    assert unknown["message"] == "expected /mlflow, /checkpoints, got /none"
    assert stranger == {
        "code": "NotAuthorized",
        "message": "the token is not that of the file",
    }


def test_values_in_the_environment_are_asked_for_and_warned_of(
    spawn: Spawn, job: JobFolder, mlsecrets_stack: DevStack
) -> None:
    """They are of one generation, and end with the command like any others."""
    options = ("--env", "train-data", "mlflow")
    process = spawn(*RUN, *options, "--", sys.executable, "-c", TELLER, env=at(job))
    values, env, pid = told(process)
    assert [env[f"AWS_{name}"] for name in ("ACCESS_KEY_ID", "SESSION_TOKEN")] == [
        values[0],
        values[2],
    ]
    assert env["MLFLOW_TRACKING_TOKEN"].startswith("eyJ")
    assert not {"MLSECRETS_ENDPOINT", "AWS_CONTAINER_CREDENTIALS_FULL_URI"} & set(env)
    assert serves(mlsecrets_stack, values)
    os.kill(pid, signal.SIGINT)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode in {1, 128 + signal.SIGINT}  # as Python ends it
    for scope in ("train-data", "mlflow"):
        assert f"mlsecrets: {scope} is in the command's environment" in errors
    assert not serves(mlsecrets_stack, values)


def test_a_keeper_revokes_what_a_killed_run_leaves(
    spawn: Spawn, job: JobFolder, mlsecrets_stack: DevStack, tmp_path: Path
) -> None:
    """By whatever signal: the keeper hears of it from the kernel."""
    journal = tmp_path / "journal.jsonl"
    process = spawn(
        *RUN,
        "--keeper",
        "train-data",
        "--",
        sys.executable,
        "-c",
        TELLER,
        env=at(job, MLSECRETS_JOURNAL=str(journal)),
    )
    values, _, pid = told(process)
    try:
        assert serves(mlsecrets_stack, values)
        process.kill()
        until(lambda: '"revoked", "scope": "train-data"' in journal.read_text())
        assert not serves(mlsecrets_stack, values)
    finally:
        os.kill(pid, signal.SIGTERM)


def test_an_end_that_is_near_is_told(
    spawn: Spawn, job: JobFolder, mlsecrets_stack: DevStack
) -> None:
    """On standard error, in time: here the job may not log in again."""
    journal = job.folder / "journal.jsonl"
    script = (
        "import sys; from mlsecrets import Reference\n"
        "train = Reference('train-data').source(); train.snapshot()\n"
        "print('ready', flush=True); sys.stdin.readline(); train.invalidate(1)\n"
        "sys.stdin.readline(); print(train.snapshot().terms.generation)\n"
    )
    process = spawn(
        *RUN,
        "train-data",
        "--",
        sys.executable,
        "-c",
        script,
        env=at(job, MLSECRETS_JOURNAL=str(journal)),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == "ready\n"
    (job.folder / "secret-id").write_text("00000000-0000-0000-0000-000000000000")
    login = json.loads(journal.read_text().splitlines()[0])
    assert login["scope"] == "login:bao"
    accessor = {"accessor": login["lease_id"]}
    admin = mlsecrets_stack.openbao.admin()
    assert admin.request("POST", "auth/token/revoke-accessor", accessor).ok
    process.stdin.write("\n")
    process.stdin.flush()
    assert re.fullmatch(
        r"mlsecrets: lease train-data ends in [\d.]+ s and is not renewed \(\w+\)\n",
        process.stderr.readline(),
    )
    output, _ = process.communicate("\n", timeout=PATIENCE)
    assert (process.returncode, output) == (0, "1\n")


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["train-data"], 2, "expected a command behind --, as in: mlsecrets run SCOPE"),
        (["train-data", "--"], 2, "expected a command behind --"),
        (["--", "true"], 2, "Missing argument 'SCOPE'"),
        (["--nonsense", "train-data", "--", "true"], 2, "No such option: --nonsense"),
        (["nothing", "--", "true"], 1, "UnknownScope: "),
        (["train-data", "--", "/none"], 127, "cannot run /none: no such file"),
        (["--env", "train-data", "checkpoints", "--", "true"], 1, "both be AWS_ACCESS"),
    ],
)
def test_what_cannot_be_run_is_told(
    run: Run, job: JobFolder, words: list[str], status: int, message: str
) -> None:
    """What is expected, and what to do; nothing stays open."""
    shown = run("run", *words)
    assert shown.exit_code == status
    assert message in shown.stderr
    assert open_scopes() == ()


def test_the_endpoint_says_why_there_is_nothing(tmp_path: Path) -> None:
    """A lease that has ended is no reason to hang up, nor is a strange token."""
    with Endpoint([Reference("train-data")], tmp_path) as endpoint:
        token = endpoint.token_file.read_text()
        for given, status, code in (
            (token, 503, "NotLeased"),
            ("\xe9" + token, 401, "NotAuthorized"),
        ):
            answer = requests.get(
                endpoint.url("train-data"),
                headers={"Authorization": given.encode("latin-1")},
                timeout=PATIENCE,
            )
            assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not endpoint.token_file.exists()


def test_a_password_is_told_whatever_it_holds() -> None:
    """As JSON has it."""
    secret = UsernamePassword.of('a"b', 'c"\\\n\u00e9')
    now = SYSTEM_CLOCK.monotonic()
    terms = Terms("db", "id", SYSTEM_CLOCK.wall(), 60.0, now + 60.0)
    with Draft() as body:
        _write(Grant(terms, secret), body)
        told = json.loads(body.sealed.text())
    assert (told["Username"], told["Password"]) == ('a"b', 'c"\\\n\u00e9')
    assert told["Expiration"].endswith("Z")
