"""What most scripts do today: get credentials once, at the start, and keep them.

This is the control: the same net, the same data, the same identity, role and lifetime
as the leased run, and nothing of `mlsecrets`. It has no checkpoints and no MLflow, so
that what fails is reading data.
"""

from __future__ import annotations

import json
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import fsspec
from botocore import UNSIGNED
from botocore.config import Config
from lightning import Trainer

from mlsecrets.clock import SYSTEM_CLOCK

from .channel import Channel
from .data import Shards, loader, shard_urls, store_error
from .model import DigitsNet, trainer_options
from .plan import DATA, Plan, Static

_TIMEOUT = 10.0  # seconds


def train(plan: Plan, static: Static, channel: Channel) -> None:
    """Train for as long as the store lets us; say how it ended."""
    options = storage_options(static)
    began = SYSTEM_CLOCK.monotonic()
    urls = shard_urls("s3", f"{DATA}/train", options)
    shards = Shards(urls, Path(plan.reads_file), shuffle=True, options=options)
    trainer = Trainer(
        logger=False, enable_checkpointing=False, **trainer_options(plan.seconds)
    )
    try:
        trainer.fit(DigitsNet(), loader(shards))
    except OSError as error:
        after = round(SYSTEM_CLOCK.monotonic() - began, 1)
        said = _reason(urls[0], options) or store_error(error)
        channel.say("failed", after=after, error=said)
    else:
        after = round(SYSTEM_CLOCK.monotonic() - began, 1)
        channel.say("survived", after=after, error="")


def _reason(url: str, options: dict[str, Any]) -> str | None:
    """Why the store refuses to read: its answer to HEAD, asked first, has no words."""
    try:
        fsspec.filesystem("s3", **options).cat_file(url, start=0)
    except OSError as error:
        return store_error(error)
    return None


def storage_options(static: Static) -> dict[str, Any]:
    """Credentials for the store, as fsspec takes them: the secrets themselves."""
    sts = boto3.client(
        "sts",
        endpoint_url=static.store,
        region_name="us-east-1",
        config=Config(signature_version=UNSIGNED),
    )
    try:
        answer = sts.assume_role_with_web_identity(
            RoleArn=static.role,
            RoleSessionName="control",
            WebIdentityToken=_identity_token(static),
        )
    finally:
        sts.close()
    session = answer["Credentials"]
    return {
        "key": session["AccessKeyId"],
        "secret": session["SecretAccessKey"],
        "token": session["SessionToken"],
        "endpoint_url": static.store,
    }


def _identity_token(static: Static) -> str:
    """A JWT from OpenBao, for the store."""
    login = _call(
        static.openbao,
        "POST",
        "auth/approle/login",
        body=json.dumps(
            {
                "role_id": Path(static.role_id_file).read_text().strip(),
                "secret_id": Path(static.secret_id_file).read_text().strip(),
            }
        ),
    )
    token = {"X-Vault-Token": login["auth"]["client_token"]}
    reply = _call(static.openbao, "GET", "identity/oidc/token/s3", headers=token)
    return str(reply["data"]["token"])


def _call(
    address: str,
    method: str,
    path: str,
    *,
    body: str | None = None,
    headers: dict[str, str] | None = None,
) -> dict[str, Any]:
    connection = HTTPConnection(urlsplit(address).netloc, timeout=_TIMEOUT)
    try:
        connection.request(method, f"/v1/{path}", body=body, headers=headers or {})
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise RuntimeError(f"{method} {path}: expected 200, got {answer.status}")
    reply: dict[str, Any] = json.loads(content)
    return reply
