"""gunicorn's configuration: its master owns the leases, if there are any."""

import os

from mlsecrets_serving.gunicorn import hooks

if os.environ["SERVING_KIND"] == "leased":
    globals().update(hooks("train-data"))
