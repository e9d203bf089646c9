"""The applications that servers are started with; ``SERVING_...`` says how."""

from __future__ import annotations

import asyncio
import functools
import json
import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from mlsecrets import Lease, Reference, configure
from mlsecrets_serving import LeasedApp, Readiness, lifespan

SCOPE, BUCKET, KEY = "train-data", "datasets", "digits/serving.bin"
#: Requests that a process has begun are written down here, by their number.
BEGUN = os.environ.get("SERVING_BEGUN", os.devnull)

configure()


@functools.cache
def _client(lease: Lease) -> Any:
    return lease.boto3_session().client("s3")


def read(lease: Lease) -> str:
    """Read the object; this process, and the generation at hand."""
    body = _client(lease).get_object(Bucket=BUCKET, Key=KEY)["Body"].read()
    assert body == b"weights"
    return f"{os.getpid()} {lease.snapshot().terms.lease_id}"


def note(number: str) -> None:
    """Write down that a request has begun."""
    with Path(BEGUN).open("a") as file:
        file.write(f"{number}\n")


def tell(what: str) -> None:
    """Append to the file that the test reads."""
    with Path(os.environ.get("SERVING_TOLD", os.devnull)).open("a") as file:
        file.write(f"{what}\n")


@asynccontextmanager
async def own(app: Any) -> AsyncIterator[dict[str, str]]:
    """A user's own lifespan, which needs the lease at both of its ends."""
    lease = Lease(Reference(SCOPE), None)
    tell(f"begins {bool(await asyncio.to_thread(read, lease))}")
    yield {"model": "weights"}
    tell(f"ends {bool(await asyncio.to_thread(read, lease))}")


app = FastAPI(lifespan=lifespan(SCOPE, inner=own))
app.routes.append(Route("/ready", Readiness(SCOPE)))


@app.get("/read")
def get_read(request: Request, number: str = "") -> Any:
    note(number)
    assert request.state.leases[SCOPE] is request.state.lease
    return PlainTextResponse(read(request.state.lease))


@app.get("/slow")
async def get_slow(request: Request, seconds: float) -> str:
    """Answer after a while, and read only then."""
    tell("slow begins")
    await asyncio.sleep(seconds)
    assert request.state.model == "weights"
    return await asyncio.to_thread(read, request.state.lease)


async def plain(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI application that knows nothing of lifespans, nor of leases."""
    if scope["type"] != "http":
        raise NotImplementedError
    lease = scope["state"]["lease"]
    body = (await asyncio.to_thread(read, lease)).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    start = {"type": "http.response.start", "status": 200, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": body})


wrapped = LeasedApp(plain, SCOPE, ready_at="/ready")

_lease = Lease(Reference(SCOPE), None)
_readiness = Readiness(SCOPE)


def wsgi(
    environ: dict[str, Any], start_response: Callable[..., Any]
) -> Iterable[bytes]:
    """What Flask would be: it reads what the master leases, without a block."""
    if environ["PATH_INFO"] == "/ready":
        answer = _readiness.check()
        status, body = str(answer.status) + " told", json.dumps(answer.to_dict())
    else:
        note(environ["QUERY_STRING"].partition("=")[2])
        status, body = "200 OK", read(_lease)
    start_response(status, [("Content-Length", str(len(body)))])
    return [body.encode()]
