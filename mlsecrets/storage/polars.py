"""polars on leases: a revealing reader.

polars reads object stores in Rust and signs by itself, as obstore does.

>>> with mlsecrets.lease("train-data") as data:                  # doctest: +SKIP
...     polars.scan_parquet(
...         "s3://datasets/digits/train/*.parquet",
...         credential_provider=data.polars_provider(),
...         storage_options={"aws_endpoint_url": "https://s3.example.org"},
...     )
"""

from __future__ import annotations

from ._revealing import RevealingProvider, lent_until


class PolarsProvider(RevealingProvider):
    """For ``credential_provider=`` of `polars.scan_parquet` and its like."""

    READER = "polars"

    def __call__(self) -> tuple[dict[str, str], int]:
        """One generation's credentials, and until when to keep them: epoch seconds.

        Raises:
            LeaseClosed, LeaseExpired, NotLeased: there are none.
        """
        grant, shown = self._shown()
        values = {
            "aws_access_key_id": shown["access_key_id"],
            "aws_secret_access_key": shown["secret_access_key"],
            "aws_session_token": shown["session_token"],
        }
        return values, int(lent_until(grant))
