"""The server that is measured: each answer takes one read of the store.

``SERVING_KIND`` says with what: ``leased``, or ``static``, the environment's keys.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import boto3
from fastapi import FastAPI, Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from mlsecrets_serving import Readiness, lifespan

BUCKET, KEY = "datasets", "digits/serving.bin"
SCOPE = "train-data"
_BEGUN = Path(os.environ["SERVING_BEGUN"])
_LEASED = os.environ["SERVING_KIND"] == "leased"
_clients: dict[str, Any] = {}

app = FastAPI(lifespan=lifespan(SCOPE) if _LEASED else None)
if _LEASED:
    app.routes.append(Route("/ready", Readiness(SCOPE)))


@app.get("/read")
def read(request: Request, number: int) -> PlainTextResponse:
    """Note that the request has begun, read, and say who did."""
    with _BEGUN.open("a") as file:
        file.write(f"{number}\n")
    got = _client(request).get_object(Bucket=BUCKET, Key=KEY)["Body"].read()
    generation = (
        request.state.lease.snapshot().terms.lease_id if _LEASED else "for ever"
    )
    return PlainTextResponse(f"{os.getpid()} {generation} {len(got)}")


def _client(request: Request) -> Any:
    if "s3" not in _clients:
        session = request.state.lease.boto3_session() if _LEASED else boto3.Session()
        _clients["s3"] = session.client("s3")
    return _clients["s3"]
