"""Who this process is to an OpenBao: by logging in, asking, and logging out."""

from __future__ import annotations

from collections.abc import Iterator

from ...clock import Clock
from ...errors import MLSecretsError
from ...grant import Fate, Grant
from ...issuers._bao_client import BaoClient
from ...issuers._bao_login import BaoLogin
from ...issuers._sealed_json import Value
from ...issuers.openbao import OpenBao
from ...manifest import Manifest, Section, kinds
from ...memory import Sealed
from ...scope import Scope
from .._format import spoken
from ._check import Check, failed

#: Seconds for one request; a login may have to wait for the server's own back end.
TIMEOUT = 10.0


def login(
    name: str, section: Section, manifest: Manifest, clock: Clock
) -> Iterator[Check]:
    """Whether the identity of an OpenBao issuer is accepted, and as whom.

    Nothing for issuers of other kinds: they have no login of their own.
    """
    kind = kinds.issuer(section.kind)
    if not (isinstance(kind, type) and issubclass(kind, OpenBao)):
        return
    identity = manifest.identities[section.values["identity"]]
    who = kinds.identity(identity.kind)(identity.name, identity.values)
    client = BaoClient(name, section.values, clock)
    check = f"login at {name}"
    try:
        session = BaoLogin(client, who, clock)
        grant = session.issue(_scope(name), TIMEOUT)
        with grant.credentials.buffer:
            display_name, policies = _token(client, grant)
            ending = session.retire(grant)
        outcome = session.end(ending, TIMEOUT)
        ending.close()
    except MLSecretsError as error:
        yield failed(check, error)
        return
    finally:
        client.close()
    found = [
        f"identity {identity.name} ({identity.kind}) is {display_name}",
        f"policies {', '.join(policies)}",
        f"token lives {spoken(grant.terms.lifetime)}"
        + (", renewable" if grant.terms.renewable else ", not renewable"),
        f"accessor {grant.terms.lease_id}",
    ]
    if outcome.fate is not Fate.REVOKED:
        found.append(f"it {outcome.fate}: {outcome.reason}")
    yield Check(check, ok=True, found="; ".join(found))


def _token(client: BaoClient, grant: Grant) -> tuple[str, list[str]]:
    """What the server says of the token: display name and policies."""
    with client.call(
        "GET",
        "auth/token/lookup-self",
        timeout=TIMEOUT,
        token=grant.credentials.sealed("token"),
    ) as reply:
        # Without the policy "default" the question is forbidden.
        data = client.decode(reply).get("data") if reply.status == 200 else None
        if not isinstance(data, dict):
            return "somebody", ["unknown"]
        # `policies` are the token's; those of its entity and groups come on top.
        policies = _texts(data.get("policies")) + _texts(data.get("identity_policies"))
        return "".join(_texts([data.get("display_name")])) or "somebody", (
            policies or ["none"]
        )


def _texts(values: Value) -> list[str]:
    """The texts of a list, which are public."""
    listed = values if isinstance(values, list) else []
    return [value.text() for value in listed if isinstance(value, Sealed)]


def _scope(name: str) -> Scope:
    return Scope(f"login:{name}", "", "", name, 0.0, float("inf"), ())
