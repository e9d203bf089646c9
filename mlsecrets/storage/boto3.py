"""boto3 on leases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import boto3
import botocore.session

from ._clients import LeasedClient, based_on
from ._refusals import retry_refused
from ._route import Router, client_settings
from ._sign import LeaseCredentials, Provider, choose


class LeaseBoto3Session(boto3.session.Session):
    """A boto3 session whose S3 requests are signed by a lease, each at its own moment.

    Args:
        scope: sign everything with this lease; else it is chosen by bucket, key and
            operation.
        connection: where the store is, as in `ScopeView.connection`; asked for if
            absent.

    It pickles, without a secret; its clients do not: make them where they are used.
    """

    def __init__(
        self, scope: str | None = None, connection: Mapping[str, str] | None = None
    ) -> None:
        core = botocore.session.Session()
        provider = Provider(LeaseCredentials(None))
        core.get_component("credential_provider").insert_before("env", provider)
        router = Router(scope)
        core.register("creating-client-class.s3", based_on(LeasedClient))
        core.register("before-parameter-build.s3", choose(router, LeaseCredentials))
        core.register("needs-retry.s3", retry_refused())
        self._scope = scope
        self._where = dict(router.connection() if connection is None else connection)
        self._connection = client_settings(self._where)
        super().__init__(botocore_session=core)

    def __reduce__(self) -> tuple[Any, ...]:
        # With the address, so that nothing can fail where it arrives: a pool that
        # cannot unpickle a task because of an OSError waits for it for ever.
        return (type(self), (self._scope, self._where))

    def client(self, service_name: str, *args: Any, **kwargs: Any) -> Any:
        """A client; for S3, at the store that the lease is for."""
        if service_name == "s3":
            kwargs = {**self._connection, **kwargs}
        return super().client(service_name, *args, **kwargs)

    def resource(self, service_name: str, *args: Any, **kwargs: Any) -> Any:
        """A resource; for S3, at the store that the lease is for."""
        if service_name == "s3":
            kwargs = {**self._connection, **kwargs}
        return super().resource(service_name, *args, **kwargs)
