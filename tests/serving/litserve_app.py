"""A LitServe server, as its user starts it: python -m …litserve_app PORT."""

from __future__ import annotations

import signal
import sys
from typing import Any

import litserve

from mlsecrets import Lease, Reference, configure, lease
from mlsecrets_serving.litserve import LeasedAPI
from tests.serving.apps import SCOPE, read


class Model(LeasedAPI, litserve.LitAPI):
    """Reads the object at each request, in LitServe's own worker process."""

    scopes = (SCOPE,)

    def setup(self, device: Any) -> None:
        self.lease = Lease(Reference(SCOPE), None)
        read(self.lease)

    # LitServe reads the annotation, and takes this one, as text, for a parameter's.
    def decode_request(self, request):  # noqa: ANN001
        return int(request["number"])

    def predict(self, number: int) -> str:
        return read(self.lease)

    def encode_response(self, output: str) -> dict[str, str]:
        return {"read": output}


if __name__ == "__main__":
    configure()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with lease(SCOPE):
        litserve.LitServer(Model(), accelerator="cpu", workers_per_device=2).run(
            host="127.0.0.1",
            port=int(sys.argv[1]),
            num_api_servers=1,
            generate_client_file=False,
            log_level="warning",
        )
