"""MLflow's authorization function: a JWT that OpenBao signed is a user.

The JWT comes as a bearer token or as the password of basic authentication; anything
else goes to MLflow's own users. Loaded by MLflow (``authorization_function`` of its
``auth.ini``), so MLflow and PyJWT are there.
"""

from __future__ import annotations

import os
import secrets
from functools import lru_cache

import jwt
from flask import Response, make_response, request
from mlflow.exceptions import MlflowException
from mlflow.server.auth import authenticate_request_basic_auth, store
from werkzeug.datastructures import Authorization

#: For whom OpenBao must have signed it.
AUDIENCE = "mlflow"
#: Seconds to go on with a JWKS; a key that is rotated away is honoured for so long.
_JWKS_LIFETIME = 60


def authenticate() -> Authorization | Response:
    """Who sends the present request, in the form that MLflow asks for."""
    token = _bearer()
    if token is None:
        return authenticate_request_basic_auth()
    try:
        claims = _verified(token)
    except jwt.PyJWTError:
        return _refused()
    user = f"run:{claims.get('run_id') or claims['sub']}"
    _ensure(user)
    return Authorization("basic", {"username": user, "password": ""})


def _bearer() -> str | None:
    """The JWT of this request; None if it carries none."""
    authorization = request.authorization
    if authorization is None:
        return None
    if authorization.type == "bearer":
        return authorization.token or ""
    password = authorization.password or ""
    return password if password.count(".") == 2 else None


def _verified(token: str) -> dict[str, str]:
    """Its claims, if OpenBao signed it for us and it has not expired: no leeway."""
    issuer = os.environ["MLSECRETS_DEVSTACK_ISSUER"]
    key = _keys(issuer).get_signing_key_from_jwt(token)
    claims: dict[str, str] = jwt.decode(
        token,
        key.key,
        algorithms=["RS256"],
        audience=AUDIENCE,
        issuer=issuer,
        leeway=0,
        options={"require": ["exp", "iat", "sub"]},
    )
    return claims


@lru_cache
def _keys(issuer: str) -> jwt.PyJWKClient:
    url = f"{issuer}/.well-known/keys"
    return jwt.PyJWKClient(url, cache_keys=True, lifespan=_JWKS_LIFETIME)


def _ensure(user: str) -> None:
    """MLflow grants rights to users it has; this one's password nobody knows."""
    if store.has_user(user):
        return
    try:
        store.create_user(user, secrets.token_urlsafe(32))
    except MlflowException:
        # Two first requests at once; the other one made it.
        if not store.has_user(user):
            raise


def _refused() -> Response:
    response = make_response("the JWT was refused\n", 401)
    response.headers["WWW-Authenticate"] = "Bearer"
    return response
