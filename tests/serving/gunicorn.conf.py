"""gunicorn's configuration, as a user writes it."""

from mlsecrets_serving.gunicorn import hooks

globals().update(hooks("train-data"))
