"""Looking for secrets wherever Ray keeps, writes or shows anything."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from _residue.forms import forms_of
from _residue.search import Search
from _residue.secrets import PLANTED, Secret

#: Bytes that are searched at a time, and by how many two such pieces overlap.
_PIECE, _OVERLAP = 1 << 24, 1 << 14
#: Of the GCS's key-value store. `None` lists the keys of all, and reads only its own.
NAMESPACES = (
    *(None, b"fun", b"usage_stats", b"dashboard", b"session", b"cluster", b"job"),
    *(b"tracing", b"ray_pdb", b"healthcheck", b"serve", b"mlsecrets_ray"),
    *(b"__autoscaler", b"autoscaler", b"tpu_subslice"),
)
#: Characters of each secret that are looked for.
TAIL = 64
#: In which ways secrets are planted, each to be found somewhere.
CONTROLS = ("env_vars", "object", "closure")
#: What the dashboard answers to.
PAGES = (
    "/api/version",
    "/api/jobs/",
    "/api/v0/jobs?detail=1&limit=10000",
    "/api/v0/actors?detail=1&limit=10000",
    "/api/v0/tasks?detail=1&limit=10000",
    "/api/v0/tasks/summarize",
    "/api/v0/objects?detail=1&limit=10000",
    "/api/v0/workers?detail=1&limit=10000",
    "/api/v0/nodes?detail=1&limit=10000",
    "/api/v0/runtime_envs?detail=1&limit=10000",
    "/api/v0/cluster_events?detail=1&limit=10000",
    "/api/v0/placement_groups?detail=1&limit=10000",
    "/logical/actors",
    "/nodes?view=summary",
    "/events",
    "/api/cluster_status",
    "/api/serve/applications/",
    "/api/data/datasets/all",
)


@dataclass
class Found:
    """What was searched in one place, and what was there.

    Attributes:
        bytes: so many were searched.
        items: in so many files, keys, processes or pages.
        secrets: how many pieces of leased secrets were found, and where.
        planted: where planted ones were found.
        unread: what could not be read, and why.
    """

    bytes: int = 0
    items: int = 0
    secrets: list[str] = field(default_factory=list)
    planted: set[str] = field(default_factory=set)
    unread: list[str] = field(default_factory=list)

    def look(self, search: Search, where: str, content: Any) -> None:
        """Search one item, an array of bytes or what can be taken for one."""
        self.items += 1
        array = np.frombuffer(content, dtype=np.uint8)
        self.bytes += len(array)
        for begin in range(0, max(len(array), 1), _PIECE):
            for run in search.runs(array[begin : begin + _PIECE + _OVERLAP]):
                if run.form.kind.startswith(PLANTED):
                    if run.full:
                        self.planted.add(run.form.kind.removeprefix(f"{PLANTED} "))
                else:
                    self.secrets.append(f"{run.form!r}, {run.length} in {where}")


def search_for(secrets: Sequence[Secret], planted: Mapping[str, str]) -> Search:
    """A search for leased secrets, and for planted ones by how they were planted.

    Of tokens, which may have two thousand characters, the last ones are looked for: the
    signature, which no other token has.
    """
    tails = [Secret(secret.kind, secret.value[-TAIL:]) for secret in secrets]
    controls = [
        Secret.of(f"{PLANTED} {name}", value) for name, value in planted.items()
    ]
    return Search(forms_of([*tails, *controls]))


def files(search: Search, folder: Path) -> Found:
    """Every file below a folder: logs, and what Ray made of runtime environments."""
    found = Found()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            with suppress(FileNotFoundError):  # a log that was rotated away meanwhile
                found.look(search, str(path.relative_to(folder)), path.read_bytes())
    return found


def key_value_store(search: Search, address: str) -> Found:
    """Every key and value of the GCS's store, of all namespaces."""
    from ray._raylet import GcsClient  # type: ignore[attr-defined]  # it is compiled

    found = Found()
    client = GcsClient(address=address)
    read = set()
    for namespace in NAMESPACES:
        for key in client.internal_kv_keys(b"", namespace=namespace):
            value = client.internal_kv_get(key, namespace=namespace)
            if value is not None:
                read.add(key)
                found.look(search, repr(key[:60]), key + b" " + value)
    # Without a namespace, the keys of all are listed: none may have been overlooked.
    listed = client.internal_kv_keys(b"", namespace=None)
    found.unread += [repr(key[:60]) for key in listed if key not in read]
    return found


def memory(search: Search, pids: Mapping[int, str]) -> Found:
    """All memory of processes; the object stores are mapped into the raylets."""
    found = Found()
    for pid, name in pids.items():
        for start, content in _regions(pid):
            found.look(search, f"{name} ({pid}) at {start:x}", content)
    found.items = len(pids)  # processes, not their regions
    return found


def _regions(pid: int) -> Iterator[tuple[int, Any]]:
    descriptor = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
    try:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, rights = line.split()[:2]
            start, end = (int(part, 16) for part in span.split("-"))
            if rights[0] != "r":
                continue
            # Sparse: pages that were never used are not worth reading a gigabyte for.
            for begin in range(start, end, _PIECE):
                size = min(_PIECE + _OVERLAP, end - begin)
                content = np.empty(size, dtype=np.uint8)
                got = 0
                with suppress(OSError):  # vvar, guard pages
                    got = os.preadv(descriptor, [content.data], begin)
                yield begin, content[:got]
    finally:
        os.close(descriptor)


def dashboard(search: Search, address: str, logs: Sequence[str]) -> Found:
    """What the dashboard's interface tells, log files through it included.

    Args:
        search: for what.
        address: of the dashboard.
        logs: addresses of log files below it.
    """
    found = Found()
    for page in (*PAGES, *logs):
        try:
            with urllib.request.urlopen(
                f"http://{address}{page}", timeout=60
            ) as answer:
                found.look(search, page, answer.read())
        except OSError as error:
            found.unread.append(f"{page}: {error}")
    return found


def log_pages(address: str, nodes: Sequence[str]) -> list[str]:
    """Where the dashboard shows the log files of nodes."""
    pages = []
    for node in nodes:
        with urllib.request.urlopen(
            f"http://{address}/api/v0/logs?node_id={node}", timeout=60
        ) as answer:
            listed = json.load(answer)["data"]["result"]
        pages += [
            f"/api/v0/logs/file?node_id={node}&filename={name}&lines=-1"
            for names in listed.values()
            for name in names
            if not name.endswith("/")
        ]
    return pages
