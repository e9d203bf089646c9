"""Inference servers on leased credentials.

::

    from fastapi import FastAPI
    from mlsecrets_serving import Readiness, lifespan
    from starlette.routing import Route

    app = FastAPI(lifespan=lifespan("models"))
    app.routes.append(Route("/ready", Readiness("models")))

`LeasedApp` wraps an ASGI application that cannot be changed. gunicorn's hooks are in
`mlsecrets_serving.gunicorn`, LitServe's health in `mlsecrets_serving.litserve`.
"""

from __future__ import annotations

from ._leased_app import LeasedApp
from ._lifespan import lifespan
from ._readiness import Answer, Readiness
from ._ready import LeaseState

__all__ = ["Answer", "LeaseState", "LeasedApp", "Readiness", "lifespan"]
