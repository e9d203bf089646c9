"""The contracts that issuers and identities fulfil: one file each, built in or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from .clock import Clock
from .exposure import Exposures
from .grant import Ending, Grant, Outcome, Terms
from .keys import Key
from .memory import Draft
from .scope import Scope


@dataclass(frozen=True)
class Limits:
    """What an issuer cannot do, as data that users are shown.

    Attributes:
        renews: it can give later terms for the same credentials.
        revokes: it can end credentials before their TTL.
        note: one sentence for people.
    """

    renews: bool
    revokes: bool
    note: str


class Source(Protocol):
    """Where whole, valid grants are read: a live lease here or in another process."""

    @property
    def exposures(self) -> Exposures:
        """Who was given what of its secrets, in this process."""

    def snapshot(self) -> Grant:
        """The grant as it is now; see `LiveGrant.snapshot`."""

    def peek(self) -> Grant | None:
        """The grant if it is at hand, None if `snapshot` would have to wait."""

    def ensure(self, seconds: float) -> Grant:
        """The grant with so many seconds left; see `LiveGrant.ensure`."""

    def invalidate(self, generation: int) -> None:
        """Replace credentials that a server refused; no effect on later ones."""


class Login(Source, Protocol):
    """The token that an issuer is called with, kept alive by the session."""

    def invalidate(self, generation: int, *, certain: bool = False) -> None:
        """Replace it; see `LiveGrant.invalidate`."""

    def end_of(self, lease_id: str) -> float | None:
        """Monotonic seconds at which the token of that name ends, if it is the newest.

        It may be past. None says that there is a newer one.
        """

    @property
    def doomed_at(self) -> float | None:
        """Monotonic seconds at which it ends for good, as far as is known."""


class Context(Protocol):
    """What an issuer may ask of the session that makes it."""

    @property
    def clock(self) -> Clock:
        """Reads time."""

    def identity(self, name: str) -> Identity:
        """An identity of the manifest, by name."""

    def issuer(self, name: str) -> Issuer:
        """Another issuer of the manifest, by name."""

    def revoker(self, name: str) -> Mapping[str, Any]:
        """The checked keys of a revoker of the manifest, by name."""

    def login(self, name: str, issuer: Issuer) -> Login:
        """A token kept alive as long as any lease needs it: made at first use."""


class Issuer(Protocol):
    """Mints, renews and ends credentials for scopes.

    Every method may raise `IssuerUnavailable` (worth another try) or another
    `IssuerError` (not worth one), and takes at most `timeout` seconds.
    """

    KEYS: ClassVar[Mapping[str, Key]]
    SCOPE_KEYS: ClassVar[Mapping[str, Key]]
    VERBS: ClassVar[frozenset[str]]

    def __init__(self, name: str, values: Mapping[str, Any], context: Context) -> None:
        """Make it from its checked table in the manifest; no network yet."""

    @property
    def login(self) -> Login | None:
        """The token that its calls need; None if it does not log in."""

    def limits(self, scope: Scope) -> Limits:
        """What cannot be done with this scope's credentials."""

    def connection(self, scope: Scope) -> Mapping[str, str]:
        """What clients need besides: ``endpoint_url``, ``region_name``, ``ca_file``."""

    def issue(self, scope: Scope, timeout: float) -> Grant:
        """New credentials for a scope."""

    def renew(self, scope: Scope, grant: Grant, timeout: float) -> Terms:
        """Later terms for credentials that stay as they are.

        Raises:
            GrantGone: the issuer no longer knows them; new ones are needed.
        """

    def retire(self, grant: Grant) -> Ending:
        """What can still end the grant once its secrets are wiped; no network."""

    def end(self, ending: Ending, timeout: float) -> Outcome:
        """End a grant, or say honestly that it cannot be ended."""

    def close(self) -> None:
        """Give connections back; the session calls it last."""


class Identity(Protocol):
    """How the process proves to OpenBao/Vault who it is."""

    KEYS: ClassVar[Mapping[str, Key]]
    KIND: ClassVar[str]

    def __init__(self, name: str, values: Mapping[str, Any]) -> None:
        """Make it from its checked table in the manifest; reads no file yet."""

    @property
    def login_path(self) -> str:
        """Where to log in, below ``/v1/``."""

    def payload(self) -> Draft:
        """The JSON body of the login, read fresh from its files each time.

        In locked memory: what is public is added to the draft as text, what is secret
        as a `Sealed` that was read straight into a `SecretBuffer`, and never as `str`
        or `bytes`. The issuer wipes the draft once it has logged in.

        Raises:
            IdentityError: a file is missing, empty or unreadable.
        """
