"""Who this process is to an OpenBao: by logging in, asking, and logging out."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from ...clock import Clock
from ...errors import MLSecretsError
from ...grant import Fate, Grant
from ...issuers._bao_client import BaoClient
from ...issuers._bao_login import BaoLogin
from ...issuers.openbao import OpenBao
from ...manifest import Manifest, Section, kinds
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
            token = _token(client, grant)
            ending = session.retire(grant)
        outcome = session.end(ending, TIMEOUT)
        ending.close()
    except MLSecretsError as error:
        yield failed(check, error)
        return
    finally:
        client.close()
    found = [
        f"identity {identity.name} ({identity.kind}) is {token['display_name']}",
        f"policies {', '.join(token['policies'])}",
        f"token lives {spoken(grant.terms.lifetime)}"
        + (", renewable" if grant.terms.renewable else ", not renewable"),
        f"accessor {grant.terms.lease_id}",
    ]
    if outcome.fate is not Fate.REVOKED:
        found.append(f"it {outcome.fate}: {outcome.reason}")
    yield Check(check, ok=True, found="; ".join(found))


def _token(client: BaoClient, grant: Grant) -> dict[str, Any]:
    """What the server says of the token: display name and policies."""
    answer = client.call(
        "GET",
        "auth/token/lookup-self",
        timeout=TIMEOUT,
        token=partial(grant.credentials.reveal, "token"),
    )
    unknown = {"display_name": "somebody", "policies": ["unknown"]}
    if answer.status != 200:  # policies without "default" forbid the question
        return unknown
    data = client.decode(answer).get("data")
    if not isinstance(data, dict):
        return unknown
    # `policies` are the token's; those of its entity and groups come on top.
    policies = [*data.get("policies", []), *(data.get("identity_policies") or [])]
    return {
        "display_name": data.get("display_name") or "somebody",
        "policies": policies or ["none"],
    }


def _scope(name: str) -> Scope:
    return Scope(f"login:{name}", "", "", name, 0.0, float("inf"), ())
