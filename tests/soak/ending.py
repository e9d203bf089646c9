"""After the end: is anything left, and is what was leased still worth anything?"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import psutil
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.faults.faults import Refuse

from .content import BUCKET, KEYS
from .owning import Owner
from .records import json_lines, now
from .scene import TTL, Scene
from .verdict import Promise

#: Seconds for all endings together (`_session.FAREWELL`), and for what comes with them.
FAREWELL = 10.0 + 5.0
#: Seconds for which the revoker is away when the block is left.
REVOKER_AWAY = 1.0


def end(
    scene: Scene, owner: Owner, stolen: dict[str, Any], journal: Path
) -> list[Promise]:
    """Have the owner let go, with the revoker away at first; what became of it all.

    Args:
        scene: the servers.
        owner: has just stopped to read, and still holds its leases.
        stolen: the credentials that it holds.
        journal: where it writes its events.
    """
    pids = [child.pid for child in _children(owner)]
    tried = {
        "session": lambda: _store_serves(scene, stolen["aws"]),
        "user": lambda: stolen["user"] in scene.registry.users,
        "jwt": lambda: scene.resource.accepts("jwt", f"Bearer {stolen['jwt']}"),
    }
    lived = {name: serves() for name, serves in tried.items()}
    refused = len(scene.resource.refusals)
    done, took = _let_go(scene, owner)
    dead = {name: not serves() for name, serves in tried.items() if name != "jwt"}
    # A signed JWT ends at its TTL and not before: the report says so.
    dead["jwt"] = _soon(lambda: not tried["jwt"](), TTL + 1)
    del scene.resource.refusals[refused:]
    left = done["threads"]
    session = done["reports"]["train-data"].splitlines()[0]  # newest first
    owner.go_on()
    code = owner.process.wait(30)
    said = owner.stderr.read_text()
    logins = _live_logins(scene, journal)
    return [
        Promise("what was leased worked to the end", all(lived.values()), f"{lived}"),
        Promise("what was leased is refused then", all(dead.values()), f"{dead}"),
        Promise("the end came in time", took <= FAREWELL, f"{took:.1f} s"),
        Promise(
            "the session was ended, though the revoker was away at first",
            # Expired, if it had not much longer to live than the revoker was away.
            session.endswith(" revoked") or " expired" in session,
            session,
        ),
        Promise(
            "no user is left",
            _soon(lambda: not scene.registry.users, 2 * TTL),
            f"{len(scene.registry.users)} left",
        ),
        Promise("no login is left", not logins, f"{len(logins)} left"),
        Promise("no thread is left", not left, ", ".join(left) or "none"),
        Promise(
            "no process is left",
            _soon(lambda: not any(map(psutil.pid_exists, pids)), 5.0),
            f"of {len(pids)}",
        ),
        Promise("the process ended well", code == 0, f"status {code}"),
        Promise("it had nothing to complain of", not said, said[-500:] or "silent"),
        Promise(
            "callbacks raised at every event, and harmed nobody",
            all(done["callbacks"]),
            f"called {sum(done['callbacks'])} times",
        ),
    ]


def _let_go(scene: Scene, owner: Owner) -> tuple[dict[str, Any], float]:
    revoker = scene.proxies["revoker"]
    revoker.fault = Refuse()

    def heal() -> None:
        revoker.fault = None

    timer = threading.Timer(REVOKER_AWAY, heal)
    timer.start()
    started = now()
    try:
        owner.go_on()
        return owner.hear("done", 60.0), now() - started
    finally:
        timer.join()


def _children(owner: Owner) -> list[psutil.Process]:
    found: list[psutil.Process] = psutil.Process(owner.process.pid).children(
        recursive=True
    )
    return found


def _store_serves(scene: Scene, aws: list[str]) -> bool:
    key, secret, token = aws
    client = boto3.client(
        "s3",
        endpoint_url=scene.stack.store.address,
        region_name=scene.stack.store.region,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=Config(proxies={}, s3={"addressing_style": "path"}),
    )
    try:
        client.get_object(Bucket=BUCKET, Key=KEYS[0])["Body"].read()
    except ClientError:
        return False
    finally:
        client.close()
    return True


def _live_logins(scene: Scene, journal: Path) -> list[str]:
    """The accessors of this run's logins that OpenBao still knows."""
    admin = scene.stack.openbao.admin()
    accessors = {
        event["lease_id"]
        for event in json_lines(journal)
        if event["scope"] == "login:bao" and "lease_id" in event
    }
    path = "auth/token/lookup-accessor"
    return [
        accessor
        for accessor in accessors
        if admin.request("POST", path, {"accessor": accessor}).ok
    ]


def alone(pids: list[int]) -> Promise:
    """That nothing of the soak itself is left either.

    Args:
        pids: of the servers that it had started.
    """

    def left() -> list[object]:
        threads = [t for t in threading.enumerate() if t is not threading.main_thread()]
        return [*threads, *filter(psutil.pid_exists, pids)]

    nothing = _soon(lambda: not left(), 5.0)
    return Promise("no server is left", nothing, f"{left() or 'none'}")


def _soon(true: Callable[[], bool], seconds: float) -> bool:
    deadline = now() + seconds
    while not true():
        if now() >= deadline:
            return False
        time.sleep(0.05)
    return True
