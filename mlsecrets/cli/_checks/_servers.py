"""Whether the manifest's servers answer, and whether their clocks and ours agree."""

from __future__ import annotations

from collections.abc import Iterator

from ...clock import Clock
from ...errors import MLSecretsError
from ...issuers._answer import Answer
from ...issuers._http import HTTPClient
from ...issuers._sealed_json import read_object
from ...issuers.openbao import OpenBao
from ...issuers.sts import MAX_SKEW
from ...manifest import Section, kinds
from ...memory import Sealed
from ._check import Check, failed

#: Seconds for an answer to a question that costs a server nothing.
TIMEOUT = 5.0

# Standbys answer 200 as well: they pass requests on (API reference, /sys/health).
_HEALTH = "/v1/sys/health?standbyok=true&perfstandbyok=true"
# Needs no credential to be answered: with a refusal, but by the STS.
_WHO_AM_I = b"Action=GetCallerIdentity&Version=2011-06-15"
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def issuer(name: str, section: Section, clock: Clock) -> Iterator[Check]:
    """Whether an issuer answers and is ready; then, if it answers, the clocks."""
    address = section.values.get("address")
    if not isinstance(address, str):
        yield Check(f"issuer {name}", ok=True, found=f"{section.kind}: has no address")
        return
    is_bao = _is_openbao(section)
    client = HTTPClient(f"issuer {name}", address, clock, section.values.get("ca_file"))
    started = clock.monotonic()
    try:
        if is_bao:
            answer = client.call("GET", _HEALTH, timeout=TIMEOUT)
        else:
            answer = client.call(
                "POST", "/", timeout=TIMEOUT, headers=_FORM, body=_WHO_AM_I
            )
    except MLSecretsError as error:
        yield failed(f"issuer {name}", error)
        return
    finally:
        client.close()
    took = (clock.monotonic() - started) * 1000
    with answer:
        yield (_bao_health if is_bao else _answers)(name, address, took, answer)
    yield clocks(name, answer.skew)


def revoker(name: str, section: Section, clock: Clock) -> Check:
    """Whether a revoker answers as its protocol says: an empty proof is refused."""
    values = section.values
    address: str = values["address"]
    client = HTTPClient(f"revoker {name}", address, clock, values.get("ca_file"))
    try:
        answer = client.call(
            "POST",
            "/v1/end-session",
            timeout=TIMEOUT,
            headers={"Content-Type": "application/json"},
            body=b"{}",
        )
    except MLSecretsError as error:
        return failed(f"revoker {name}", error)
    finally:
        client.close()
    # Others refuse it as well, OpenBao with 403: only a revoker says {"error": "..."}.
    with answer:
        said = (read_object(answer.body) or {}).get("error")
    if answer.status in {400, 403} and isinstance(said, Sealed):
        return Check(f"revoker {name}", ok=True, found=f"{address} answers")
    return Check(
        f"revoker {name}",
        ok=False,
        found=f"{address} answers ({answer.status}), but not as a revoker does",
        remedy="correct the revoker's address, or have the platform look at its log",
    )


def clocks(name: str, skew: float | None) -> Check:
    """Whether this machine's clock is near enough to a server's.

    Args:
        skew: seconds by which this machine is ahead; None if the server did not say.
    """
    check = f"clock, against {name}"
    if skew is None:
        return Check(check, ok=True, found="unknown: its answers carry no Date")
    if abs(skew) < 2:  # Date has whole seconds, and the answer took a while
        return Check(check, ok=True, found="agrees")
    off = f"{abs(skew):.0f} s {'ahead' if skew > 0 else 'behind'}"
    remedy = "synchronise the clock: timedatectl set-ntp true, or chronyc makestep"
    if abs(skew) <= MAX_SKEW:
        return Check(check, ok=True, found=off, remedy=remedy)
    found = f"{off}: requests signed here will be refused"
    return Check(check, ok=False, found=found, remedy=remedy)


def _answers(name: str, address: str, took: float, answer: Answer) -> Check:
    found = f"{address} answers in {took:.0f} ms"
    if answer.status < 500:
        return Check(f"issuer {name}", ok=True, found=found)
    return Check(
        f"issuer {name}",
        ok=False,
        found=f"{found}, but with {answer.status}",
        remedy="look at the server's log",
    )


def _bao_health(name: str, address: str, took: float, answer: Answer) -> Check:
    health = read_object(answer.body) or {}
    check = f"issuer {name}"
    found = f"{address} answers in {took:.0f} ms"
    if answer.status == 200:
        version = health.get("version")
        if isinstance(version, Sealed):
            found += f", version {version.text()}"
        return Check(check, ok=True, found=found)
    if health.get("sealed") is True and health.get("initialized") is not False:
        remedy = "an operator has to unseal it (bao operator unseal)"
        return Check(check, ok=False, found=f"{address} is sealed", remedy=remedy)
    if health.get("initialized") is False:
        remedy = "an operator has to initialise it (bao operator init)"
        return Check(
            check, ok=False, found=f"{address} was never initialised", remedy=remedy
        )
    return Check(
        check,
        ok=False,
        found=f"{found}, but its health is {answer.status}",
        remedy="check that the address is an OpenBao or Vault server's, and its log",
    )


def _is_openbao(section: Section) -> bool:
    kind = kinds.issuer(section.kind)
    return isinstance(kind, type) and issubclass(kind, OpenBao)
