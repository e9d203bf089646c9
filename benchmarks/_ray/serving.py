"""A deployment of Ray Serve that loads its model from a leased address."""

from __future__ import annotations

import os

import fsspec
from fastapi import FastAPI
from ray import serve

from mlsecrets_ray.serve import LeasedDeployment

app = FastAPI()


@serve.ingress(app)
class Digits(LeasedDeployment):
    """Answers with its version, its process and how much it has loaded."""

    def __init__(self, version: str, url: str, *scopes: str) -> None:
        super().__init__(*scopes)
        self.version = version
        self.greeting = "hello"
        with fsspec.open(url) as file:
            self.model = file.read()

    def reconfigure(self, config: dict[str, str]) -> None:
        """Serve's own, which is left alone."""
        self.greeting = config["greeting"]

    @app.get("/")
    def predict(self) -> dict[str, str | int]:
        """One request."""
        return {
            "greeting": self.greeting,
            "version": self.version,
            "pid": os.getpid(),
            "size": len(self.model),
        }
