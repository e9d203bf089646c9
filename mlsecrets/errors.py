"""Everything `mlsecrets` raises, in one tree.

::

    MLSecretsError
    ├── ManifestError               mlsecrets.toml cannot be used as it is
    │   ├── ManifestNotFound        there is none where we looked
    │   └── UnknownScope            it has no scope of that name
    ├── IdentityError               the process cannot show who it is: file missing, …
    ├── IssuerError                 the issuer answered, and the answer is no
    │   ├── IssuerUnavailable       it did not answer, or not now: worth another try
    │   │   ├── IssuerUnreachable   no connection: nothing can have arrived
    │   │   ├── IssuerSealed        OpenBao/Vault is up but sealed
    │   │   ├── IssuerThrottled     it asks to be called later (429, ``Retry-After``)
    │   │   ├── UntrustedIssuer     TLS: the server is not who it should be
    │   │   └── BadAnswer           an answer we do not understand, or one too large
    │   ├── LoginRefused            the identity was presented and refused
    │   │   └── IdentityExpired     ... because it is past its own expiry
    │   ├── AccessRefused           logged in, but this path or role is not ours
    │   ├── GrantGone               the lease to renew no longer exists
    │   └── ClockSkew               this machine's clock is too far off to sign requests
    ├── LeaseError
    │   ├── LeaseClosed             used after its block ended
    │   ├── LeaseExpired            nothing valid is left and no renewal succeeded
    │   ├── LeaseTooShort           valid, but not for as long as was asked
    │   ├── LeaseDoomed             training was stopped in time, its work saved
    │   ├── NotLeased               no open lease covers what was asked
    │   └── OwnerGone               the process that owns the lease does not answer
    ├── SecretBufferClosed          read of a buffer that has been wiped
    └── SecretLeak                  a value that is to be written holds a live secret

What a job would write::

    try:
        with lease("train-data") as creds:
            ...
    except mlsecrets.MLSecretsError as error:
        print(error.diagnostics())
        raise
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class MLSecretsError(Exception):
    """The base of everything raised here; never carries a secret.

    Args:
        message: one line: what failed, on what, expected and got.
        remedy: what the reader can do about it, one or more sentences.
    """

    #: Attributes that are numbers and cross process boundaries with the message.
    NUMBERS: ClassVar[tuple[str, ...]] = ()

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return self.message

    def diagnostics(self) -> str:
        """The paragraph that the command line prints: message, causes, remedy."""
        lines = [f"{type(self).__name__}: {self.message}"]
        cause = self.__cause__
        while isinstance(cause, MLSecretsError):
            lines.append(f"  because {type(cause).__name__}: {cause.message}")
            cause = cause.__cause__
        if self.remedy:
            lines.append(f"  what to do: {self.remedy}")
        return "\n".join(lines)

    def numbers(self) -> dict[str, float | None]:
        """What the message says in numbers."""
        return {name: getattr(self, name) for name in self.NUMBERS}

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross process boundaries (DataLoader workers, Ray): keep the remedy.
        return (rebuild, (type(self), self.message, self.remedy, self.numbers()))


def rebuild(
    kind: type[MLSecretsError],
    message: str,
    remedy: str | None,
    numbers: Mapping[str, float | None],
) -> MLSecretsError:
    """An error as it was in the process that it comes from."""
    error = kind.__new__(kind)
    MLSecretsError.__init__(error, message, remedy=remedy)
    for name in kind.NUMBERS:
        setattr(error, name, numbers.get(name))
    return error


class ManifestError(MLSecretsError, ValueError):
    """`mlsecrets.toml` cannot be used: the message names file and key."""


class ManifestNotFound(ManifestError):
    """No manifest where we looked."""


class UnknownScope(ManifestError):
    """The manifest has no scope of that name."""


class IdentityError(MLSecretsError):
    """This process cannot show who it is: a credential file is missing or unusable."""


class IssuerError(MLSecretsError):
    """The issuer answered, and the answer is no: trying again will not help."""


class IssuerUnavailable(IssuerError):
    """The issuer did not answer, or not now: worth another try.

    Args:
        retry_after: seconds it asks to wait, from ``Retry-After`` (RFC 9110 §10.2.3).
    """

    NUMBERS = ("retry_after",)

    def __init__(
        self, message: str, *, retry_after: float = 0.0, remedy: str | None = None
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.retry_after = retry_after


class IssuerUnreachable(IssuerUnavailable):
    """No connection was made: no byte of the request can have arrived."""


class IssuerSealed(IssuerUnavailable):
    """OpenBao/Vault answers, but is sealed and can serve nothing."""


class IssuerThrottled(IssuerUnavailable):
    """The issuer asks to be called later."""


class UntrustedIssuer(IssuerUnavailable):
    """TLS failed: the server could not prove that it is the issuer.

    Nothing was sent to it. Its certificate may be mended, so it is tried again; the
    check is never left out.
    """


class BadAnswer(IssuerUnavailable):
    """An answer that is not the issuer's, not understood, or too large.

    It says nothing about the lease: a gateway in between may have made it.
    """


class LoginRefused(IssuerError):
    """The identity was presented to the issuer and refused."""


class IdentityExpired(LoginRefused):
    """The identity document (a JWT) is past its own expiry."""


class AccessRefused(IssuerError):
    """The login works, but does not allow this path or role."""


class GrantGone(IssuerError):
    """The lease to renew no longer exists at the issuer."""


class ClockSkew(IssuerError):
    """This machine's clock is too far from the server's to sign requests."""


class LeaseError(MLSecretsError):
    """Something about a lease in this process."""


class LeaseClosed(LeaseError):
    """The lease was used after its block ended."""


class LeaseExpired(LeaseError):
    """Nothing valid is left, and no renewal has succeeded.

    Args:
        again_in: seconds after which the owner's workers should ask again, because the
            issuer is away and they are to wait for it; None if waiting is over.
    """

    NUMBERS = ("again_in",)

    def __init__(
        self, message: str, *, again_in: float | None = None, remedy: str | None = None
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.again_in = again_in


class LeaseTooShort(LeaseError):
    """The lease is valid, but cannot be for as long as was asked.

    Args:
        asked: seconds of validity that were asked for.
        possible: seconds that could be had; start nothing that takes longer.
    """

    NUMBERS = ("asked", "possible")

    def __init__(
        self,
        message: str,
        *,
        asked: float = 0.0,
        possible: float = 0.0,
        remedy: str | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.asked = asked
        self.possible = possible


class LeaseDoomed(LeaseError):
    """Training was stopped while the credentials it needs were still valid.

    Args:
        checkpoint: where the work was saved; None if this process did not write it.
        seconds_left: how long they still lived when it was decided.
    """

    NUMBERS = ("seconds_left",)

    def __init__(
        self,
        message: str,
        *,
        checkpoint: str | None = None,
        seconds_left: float = 0.0,
        remedy: str | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.checkpoint = checkpoint
        self.seconds_left = seconds_left

    def __reduce__(self) -> tuple[object, ...]:
        return (*super().__reduce__(), {"checkpoint": self.checkpoint})


class NotLeased(LeaseError, PermissionError):
    """No open lease covers what was asked."""


class OwnerGone(LeaseError):
    """The process that owns the lease does not answer on its socket."""


class SecretBufferClosed(MLSecretsError):
    """The buffer has been wiped, or is being wiped."""


class SecretLeak(MLSecretsError):
    """A value that is about to be written, sent or shown holds a live secret."""
