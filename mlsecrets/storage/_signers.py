"""botocore's signatures, made with a key that stays in locked memory.

The classes are botocore's own and differ in one step: the one that needs the secret
key. They stand in `botocore.auth.AUTH_TYPE_MAPS` under names of ours, which only the
clients that our readers make ever choose; aiobotocore looks there too. botocore's
variants in C (``awscrt``) take the key as a string, so these are used in their place.
"""

from __future__ import annotations

import base64
import hmac
from typing import Any
from weakref import proxy

from botocore import auth

from .._sigv4_key import signature
from ..errors import NotLeased
from ..leaks import withhold_from_logs
from ..memory import scrub

# At level DEBUG they write down what they sign and send, the session token included.
withhold_from_logs("botocore.auth", "botocore.endpoint", "aiobotocore.endpoint")

_PREFIX = "mlsecrets-"
#: How a presigned URL and a presigned form are told from a request that is sent.
_SUFFIXES = ("-query", "-presign-post")
_ASKED = "mlsecrets-asked"


class _Step:
    """The step of Signature Version 4 that needs the key."""

    credentials: Any
    _region_name: str
    _service_name: str

    def signature(self, string_to_sign: str, request: Any) -> str:
        """Of a "string to sign", in hexadecimal."""
        date = request.context["timestamp"][:8]
        scope = (date, self._region_name, self._service_name, "aws4_request")
        return signature(self.credentials.sealed_key, scope, string_to_sign)


class _OlderStep:
    """The same of the older signature (HMAC-SHA1).

    botocore still takes it for presigned URLs, unless told otherwise.
    """

    credentials: Any

    def sign_string(self, string_to_sign: str) -> str:
        """The signature of it, in base64."""
        with self.credentials.sealed_key.reading() as key:
            mac = hmac.digest(key, string_to_sign.encode(), "sha1")
        scrub()
        return base64.b64encode(mac).decode()


#: botocore's signers for S3 by the names it has for them (botocore.auth).
_STOCK = {
    "v4": auth.SigV4Auth,
    "v4-query": auth.SigV4QueryAuth,
    "s3v4": auth.S3SigV4Auth,
    "s3v4-query": auth.S3SigV4QueryAuth,
    "s3v4-presign-post": auth.S3SigV4PostAuth,
    "s3": auth.HmacV1Auth,
    "s3-query": auth.HmacV1QueryAuth,
    "s3-presign-post": auth.HmacV1PostAuth,
}


def _twin(stock: type) -> type:
    """One of botocore's signers, its key in locked memory."""
    step = _OlderStep if issubclass(stock, auth.HmacV1Auth) else _Step
    return type(f"Locked{stock.__name__}", (step, stock), {"__doc__": _twin.__doc__})


SIGNERS = {_PREFIX + name: _twin(stock) for name, stock in _STOCK.items()}
auth.AUTH_TYPE_MAPS.update(SIGNERS)


def locked(asked: Any, answered: Any) -> Any:
    """The name of our signer that makes the signature botocore would have made.

    Args:
        asked: what botocore was about to use, complete with its suffix.
        answered: what its handlers, or the user's, chose instead; None for nothing.

    Raises:
        NotLeased: no signer of ours does that.
    """
    name = asked if answered is None else answered
    if not isinstance(name, str):
        return name  # botocore.UNSIGNED: no signature, so no key
    suffix = next((s for s in _SUFFIXES if str(asked).endswith(s)), "")
    ours = _PREFIX + name + ("" if name.endswith(suffix) else suffix)
    if ours not in SIGNERS:
        raise NotLeased(
            f"this request is to be signed as {name}, for which a library would need "
            "the secret key itself",
            remedy="leases sign with Signature Version 4 (s3v4): no S3 Express "
            "directory bucket, no multi-region access point",
        )
    return ours


class Chooser:
    """A handler of ``choose-signer``: asks all others first, then takes our twin.

    Args:
        events: of the client; not kept alive by this.
    """

    def __init__(self, events: Any) -> None:
        self._events = proxy(events)

    def __call__(
        self, *, event_name: str, signature_version: Any, context: Any, **rest: Any
    ) -> Any:
        """The name of a signer; None when it is this handler that asks."""
        if context.get(_ASKED):
            return None
        context[_ASKED] = True
        try:
            _, answer = self._events.emit_until_response(
                event_name,
                signature_version=signature_version,
                context=context,
                **rest,
            )
        finally:
            del context[_ASKED]
        return locked(signature_version, answer)


class AsyncChooser(Chooser):
    """The same for aiobotocore, whose handlers may be coroutines."""

    async def __call__(
        self, *, event_name: str, signature_version: Any, context: Any, **rest: Any
    ) -> Any:
        """The name of a signer; None when it is this handler that asks."""
        if context.get(_ASKED):
            return None
        context[_ASKED] = True
        try:
            _, answer = await self._events.emit_until_response(
                event_name,
                signature_version=signature_version,
                context=context,
                **rest,
            )
        finally:
            del context[_ASKED]
        return locked(signature_version, answer)
