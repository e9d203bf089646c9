"""obstore on leases: a revealing reader.

obstore is written in Rust and signs by itself: it is given key and token as strings,
copies them, and keeps them until they are too old. Where that matters, read through
`Lease.filesystem` instead.

>>> from obstore.store import S3Store                            # doctest: +SKIP
>>> with mlsecrets.lease("train-data") as data:                  # doctest: +SKIP
...     store = S3Store("datasets", credential_provider=data.obstore_provider())
...     ...
...     del store   # or its memory is "in use", and not swept
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from ._revealing import RevealingProvider, lent_until
from ._route import client_settings

#: Seconds before the end at which obstore asks anew (TokenCache of the object_store
#: crate). Reported as they are, lives of a few minutes would be asked for at each
#: request, and shown anew each time.
WINDOW = 300.0


class ObstoreProvider(RevealingProvider):
    """For ``credential_provider=`` of `obstore.store.S3Store`.

    Asked about twice in each generation: once it is used up to nine tenths of what was
    left of it when it was shown.
    """

    READER = "obstore"

    def __call__(self) -> dict[str, Any]:
        """One generation's credentials (an ``S3Credential``).

        Raises:
            LeaseClosed, LeaseExpired, NotLeased: there are none; obstore passes the
                message on in an error of its own.
        """
        grant, shown = self._shown()
        return {
            "access_key_id": shown["access_key_id"],
            "secret_access_key": shown["secret_access_key"],
            "token": shown["session_token"],
            "expires_at": datetime.fromtimestamp(
                lent_until(grant) + WINDOW, timezone.utc
            ),
        }

    @property
    def config(self) -> dict[str, str]:
        """Where the store is; obstore takes it from here (an ``S3Config``)."""
        settings = client_settings(self.reference.view().connection)
        words = {"endpoint_url": "endpoint", "region_name": "region"}
        return {to: settings[name] for name, to in words.items() if name in settings}
