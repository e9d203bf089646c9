"""A lease of the real OpenBao that renews for a while, and no further.

The back end at which OpenBao makes and removes the users is the judge of whether a
credential lives. What was asked of OpenBao is read from its audit log.
"""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import hvac

import mlsecrets
from mlsecrets.clock import SYSTEM_CLOCK
from mlsecrets.devstack import DevStack
from mlsecrets.devstack.user_registry import UserRegistry

from ..clients.vault_loop import Loop
from ..trial import Found

#: Seconds that a lease lives, and up to which it renews.
TTL, MAX_TTL = 3, 8
#: Seconds for which the job runs: past the max TTL twice.
RUN = 18.0
#: Seconds between looks at the credential.
LOOK = 0.02
#: A loop's fixed pause after a failure; ten seconds would be longer than the lease.
PAUSE = 1.0
PATH = "queue/creds/worker"
RENEW = "sys/leases/renew"
_MOUNT = "queue"
_SCOPE = f"""
[scopes.queue]
owner = "benchmarks@example.org"
version = "1.0.0"
issuer = "bao"
path = "{PATH}"
ttl = "{TTL}s"
max_ttl = "1h"
access = []
"""

Reader = Callable[[], str]


def ceiling(client: str) -> Found:
    """A job that looks at its credential all the time, past its max TTL twice."""
    with DevStack(ttl=60, ops=True) as stack, UserRegistry() as registry:
        _mount(stack, registry)
        begin = stack.openbao.audit_log.stat().st_size
        looks = raised = dead = 0
        dead_for = 0.0
        with READERS[client](stack) as read:
            end = time.monotonic() + RUN
            while (now := time.monotonic()) < end:
                looks += 1
                try:
                    if read() not in registry.users:
                        dead += 1
                        dead_for += LOOK
                except Exception:  # noqa: BLE001  whatever its users would get
                    raised += 1
                time.sleep(max(0.0, now + LOOK - time.monotonic()))
            asked = _asked(stack.openbao.audit_log, begin)
        gaps = [later - earlier for earlier, later in pairwise(asked[RENEW])]
        return {
            "looks": looks,
            "failed": raised,
            "dead": dead,
            "dead seconds": dead_for,
            "renewals": len(asked[RENEW]),
            "issues": len(asked[PATH]),
            "closest": min(gaps, default=float("inf")),
        }


@contextmanager
def _ours(stack: DevStack) -> Iterator[Reader]:
    with tempfile.TemporaryDirectory() as name:
        manifest = Path(name) / "mlsecrets.toml"
        text = stack.manifest_path.read_text()
        # Relative paths in it mean files beside the original.
        text = re.sub(r'(_file = )"([^"/]+)"', rf'\1"{stack.folder}/\2"', text)
        manifest.write_text(text + _SCOPE)
        mlsecrets.configure(manifest)
        with mlsecrets.lease("queue") as creds:
            yield lambda: str(creds.snapshot().credentials.public["username"])


@contextmanager
def _hvac(stack: DevStack) -> Iterator[Reader]:
    client = hvac.Client(stack.openbao.address)
    client.auth.approle.login(
        stack.openbao.role_id_file.read_text(),
        stack.openbao.secret_id_file.read_text(),
    )
    loop = Loop(client, PATH, SYSTEM_CLOCK, pause=PAUSE)
    try:
        yield lambda: str(loop.answer["data"]["username"])
    finally:
        loop.close()


READERS = {"hvac and a loop": _hvac, "mlsecrets": _ours}


def _mount(stack: DevStack, registry: UserRegistry) -> None:
    admin = stack.openbao.admin()
    registry.mount(admin, ttl=TTL, max_ttl=MAX_TTL, at=_MOUNT)
    policy = {"path": {PATH: {"capabilities": ["read"]}}}
    for path, body in (
        (f"sys/policies/acl/{_MOUNT}", {"policy": json.dumps(policy)}),
        ("auth/approle/role/job", {"token_policies": f"default,job,{_MOUNT}"}),
    ):
        admin.request("POST", path, body).raise_for_status()


def _asked(log: Path, begin: int) -> dict[str, list[float]]:
    """When each of the two paths was asked for, in epoch seconds."""
    asked: dict[str, list[float]] = {RENEW: [], PATH: []}
    with log.open("rb") as lines:
        lines.seek(begin)
        for line in lines:
            entry = json.loads(line)
            path = entry["request"]["path"]
            if entry["type"] == "request" and path in asked:
                # Nanoseconds are more than Python 3.10 reads.
                at = re.sub(r"\.(\d{6})\d*Z$", r".\1+00:00", entry["time"])
                asked[path].append(datetime.fromisoformat(at).timestamp())
    return asked
