"""Every way in which an issuer may be away, and what its client has to call it."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlsecrets.errors import (
    BadAnswer,
    IssuerSealed,
    IssuerThrottled,
    IssuerUnavailable,
    IssuerUnreachable,
    UntrustedIssuer,
)
from tests.faults.certificates import Authority
from tests.faults.faults import (
    BlackHole,
    ExpiredTLS,
    Fault,
    Garbage,
    OversizeBody,
    Refuse,
    Reset,
    SlowDrip,
    Status,
    Throttle,
    Truncate,
    WrongContentType,
    WrongNameTLS,
    bao_says,
    sts_says,
)
from tests.faults.names import Name
from tests.faults.proxy import FaultProxy

Only = Callable[[str, str], bool]


@dataclass(frozen=True)
class Trouble:
    """One way to be away.

    Attributes:
        name: what the test is called by.
        error: what the client must call it.
        fault: what the proxy does.
        lookup: what the resolver says instead of an address, such as EAI_AGAIN.
        silent: the resolver says nothing.
        tls: over TLS.
        slow: it costs as much time as the call may take.
        retry_after: seconds that it asks to wait.
    """

    name: str
    error: type[IssuerUnavailable]
    fault: Fault | None = None
    lookup: int | None = None
    silent: bool = False
    tls: bool = False
    slow: bool = False
    retry_after: float = 0.0

    def __str__(self) -> str:
        return self.name

    @property
    def answers(self) -> bool:
        """Whether the request gets as far as the proxy, which can choose then."""
        fault = self.fault
        return fault is not None and fault.listens and fault.certificate == "good"


class Line:
    """The way from this process to one server, on which things go wrong.

    Args:
        upstream: the server's address.
        host: what a name of the server begins with.
        folder: where to make one for certificates; None for a line without TLS.
    """

    def __init__(
        self, upstream: str, host: str = "bao", folder: Path | None = None
    ) -> None:
        self.name = Name(f"{host}.test")
        self.authority: Authority | None = None
        if folder is not None:
            self.authority = Authority(
                Path(tempfile.mkdtemp(dir=folder)), self.name.host
            )
        self.proxy = FaultProxy(upstream, self.authority)

    @property
    def address(self) -> str:
        """Where the server is found; by a name if there is TLS."""
        if self.authority is None:
            return self.proxy.address
        return self.proxy.address.replace("127.0.0.1", self.name.host)

    @property
    def ca_file(self) -> str:
        """The manifest's line for it, if there is one."""
        return f'ca_file = "{self.authority.ca_file}"' if self.authority else ""

    def __enter__(self) -> Line:
        self.name.__enter__()
        self.proxy.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.proxy.close()
        self.name.__exit__(None, None, None)

    def break_(self, trouble: Trouble, only: Only | None = None) -> None:
        """From now on there is trouble.

        Args:
            only: for which requests, where the trouble can choose.
        """
        self.name.error = trouble.lookup
        self.name.silent = trouble.silent
        self.proxy.only = only
        if trouble.fault is None:
            # Names are looked up for new connections only.
            self.proxy.fault = Refuse()
        self.proxy.fault = trouble.fault

    def heal(self) -> None:
        """From now on there is none."""
        self.name.error = None
        self.name.silent = False
        self.proxy.fault = None
        self.proxy.only = None

    @contextmanager
    def broken(self, trouble: Trouble, only: Only | None = None) -> Iterator[None]:
        """A block with trouble."""
        self.break_(trouble, only)
        try:
            yield
        finally:
            self.heal()


#: What may happen in front of any server.
NETWORK = (
    Trouble("refused", IssuerUnreachable, Refuse()),
    Trouble("reset", IssuerUnavailable, Reset()),
    Trouble("answer-lost", IssuerUnavailable, Reset(forwarded=True)),
    Trouble("black-hole", IssuerUnavailable, BlackHole(), slow=True),
    Trouble("slow-drip", IssuerUnavailable, SlowDrip(20), slow=True),
    Trouble("truncated", IssuerUnavailable, Truncate()),
    Trouble("garbage", IssuerUnavailable, Garbage()),
    Trouble("garbage-body", BadAnswer, Garbage(head=True)),
    Trouble("oversize", BadAnswer, OversizeBody()),
    Trouble("web-page", BadAnswer, WrongContentType()),
    Trouble("gateway-400", BadAnswer, Status(400)),
    Trouble("gateway-403", BadAnswer, Status(403)),
    Trouble("gateway-404", BadAnswer, Status(404)),
    Trouble("gateway-429", IssuerThrottled, Status(429, None, 2), retry_after=2),
    Trouble("gateway-502", IssuerUnavailable, Status(502)),
    Trouble("gateway-503", IssuerUnavailable, Status(503, None, 2), retry_after=2),
    Trouble("redirect", BadAnswer, Status(307)),
)
#: What may happen before a request is sent, and to TLS.
SECURED = (
    Trouble("tls-refused", IssuerUnreachable, Refuse(), tls=True),
    Trouble("tls-reset", IssuerUnavailable, Reset(), tls=True),
    Trouble("tls-truncated", IssuerUnavailable, Truncate(), tls=True),
    Trouble("expired-certificate", UntrustedIssuer, ExpiredTLS(), tls=True),
    Trouble("wrong-certificate", UntrustedIssuer, WrongNameTLS(), tls=True),
    Trouble("no-resolver", IssuerUnreachable, lookup=socket.EAI_AGAIN, tls=True),
    Trouble("no-such-name", IssuerUnreachable, lookup=socket.EAI_NONAME, tls=True),
    Trouble("silent-resolver", IssuerUnreachable, silent=True, tls=True, slow=True),
)
#: What OpenBao itself says when it is not able to answer.
OPENBAO = (
    Trouble("throttled", IssuerThrottled, Throttle(2), retry_after=2),
    Trouble("sealed", IssuerSealed, Status(503, bao_says("Vault is sealed"))),
    Trouble("internal-error", IssuerUnavailable, Status(500, bao_says("internal"))),
    Trouble("standby-lags", IssuerUnavailable, Status(412, bao_says("state missing"))),
    Trouble("standby", IssuerUnavailable, Status(473, bao_says())),
)
#: What an STS itself says then ("Common Errors" of the AWS STS API reference).
STS = (
    Trouble(
        "throttled",
        IssuerThrottled,
        Status(400, sts_says("Throttling", "Rate exceeded"), 2),
        retry_after=2,
    ),
    Trouble(
        "internal-error",
        IssuerUnavailable,
        Status(500, sts_says("InternalFailure", "We encountered an internal error.")),
    ),
    Trouble(
        "unavailable",
        IssuerUnavailable,
        Status(503, sts_says("ServiceUnavailable", "Please reduce your rate.")),
    ),
    Trouble(
        "identity-provider-away",
        IssuerUnavailable,
        Status(400, sts_says("IDPCommunicationError", "The provider did not answer.")),
    ),
)
