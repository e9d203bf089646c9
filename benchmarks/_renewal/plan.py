"""What is run, and what of it goes into which row of the table."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from .clients import CLIENTS, maker
from .trial import Found

#: The columns of the table.
COLUMNS = (
    "botocore",
    "google-auth",
    "google-auth, non-blocking",
    "azure-core",
    "obstore",
    "hvac and a loop",
    "mlsecrets",
)
#: Those for which there is anything to renew.
RENEWING = ("hvac and a loop", "mlsecrets")


@dataclass(frozen=True)
class Experiment:
    """A row of the table.

    Attributes:
        name: of the experiment, unique.
        title: what is done.
        parts: what is counted: name in what was found -> words for it.
        where: module and function below `experiments`.
        arguments: of the function, after the client's maker.
        columns: whom it is for.
        variants: column -> words -> the client that is run besides.
        rounds: column -> runs, for those whose numbers do not vary.
    """

    name: str
    title: str
    parts: Mapping[str, str]
    where: str
    arguments: tuple[Any, ...] = ()
    columns: tuple[str, ...] = COLUMNS
    variants: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    rounds: Mapping[str, int] = field(default_factory=dict)

    @property
    def group(self) -> str:
        """What is run in one process."""
        return self.where.split(".", maxsplit=1)[0]

    def clients(self, column: str) -> dict[str, str]:
        """Whom to run for a column, by the words for it; "" is the column's own."""
        if column not in self.columns:
            return {}
        return {"": column, **self.variants.get(column, {})}

    def run(self, client: str) -> Found:
        """Once."""
        module, _, name = self.where.partition(".")
        function = getattr(
            importlib.import_module(f"{__package__}.experiments.{module}"), name
        )
        subject = client if module == "ceiling" else maker(client)
        found: Found = function(subject, *self.arguments)
        return found


def installed() -> tuple[str, ...]:
    """The columns whose client is here: obstore has left Python 3.10."""
    found = []
    for column in COLUMNS:
        try:
            version(CLIENTS[column][0])
        except PackageNotFoundError:
            continue
        found.append(column)
    return tuple(found)


_CALLS = {"calls": "issuer calls"}
_CROWD = {**_CALLS, "waited": "readers that waited", "dead": "reads given a dead one"}
_DOWN = {"raised early": "raised although valid", **_CALLS}
_FORK = {
    "hung": "hung",
    "calls": "issuer calls by children",
    "dead": "reads given a dead one",
}
_REFUSED = {"answered": "answered", **_CALLS}
_REFUSED_ONCE = {"answered": "answered", "next": "the next answered", **_CALLS}
_OUTAGE = {
    "raised early": "raised although valid",
    "raised": "raised after its end",
    "dead": "reads given a dead one",
    "paused": "longest read, s",
    "calls": "issuer calls meanwhile",
    "back": "fresh after its return, s",
}
_CEILING = {
    "failed": "reads that raised",
    "dead seconds": "seconds with a dead one",
    "renewals": "renewals",
    "issues": "issues",
    "closest": "closest renewals, s",
}
_OTHER_FACES = {
    "azure-core": {"claims challenge": "azure-core, claims"},
    "mlsecrets": {"boto3": "mlsecrets, boto3"},
}
_WAITING = {"mlsecrets": {'on_outage="wait"': "mlsecrets, waiting"}}

EXPERIMENTS = (
    Experiment(
        "refresh",
        "32 threads at its refresh instant",
        _CROWD,
        "instant.refresh",
        (None,),
    ),
    Experiment(
        "expired", "32 threads, nothing valid left", _CROWD, "instant.refresh", (-1.0,)
    ),
    *(
        Experiment(
            f"down-{words.replace(' ', '')}",
            f"issuer down, {words} of 15 min left, 100 reads",
            _DOWN,
            "instant.down",
            (left,),
        )
        for words, left in (("9 min", 540.0), ("4 min", 240.0), ("30 s", 30.0))
    ),
    *(
        Experiment(
            f"ttl-{ttl}",
            f"100 reads at a TTL of {ttl} s",
            _CALLS,
            "instant.short",
            (float(ttl),),
        )
        for ttl in (60, 200, 899)
    ),
    Experiment(
        "fork",
        "fork during a refresh, 2 min left, 16 children",
        _FORK,
        "fork.fork",
        (120.0,),
    ),
    Experiment(
        "fork-expired", "the same, nothing valid left", _FORK, "fork.fork", (-1.0,)
    ),
    Experiment(
        "refused",
        "one request refused, 1 h left",
        _REFUSED_ONCE,
        "rejection.once",
        variants=_OTHER_FACES,
    ),
    Experiment(
        "refused-32",
        "32 requests refused at once",
        _REFUSED,
        "rejection.burst",
        variants=_OTHER_FACES,
    ),
    Experiment(
        "refused-always",
        "100 requests, all refused for good",
        _CALLS,
        "rejection.for_good",
        variants=_OTHER_FACES,
    ),
    Experiment(
        "ceiling",
        "renewing a 3 s lease up to its max TTL of 8 s, 18 s",
        _CEILING,
        "ceiling.ceiling",
        columns=RENEWING,
    ),
    Experiment(
        "outage",
        "outage from minute 4 to 14 of 15",
        _OUTAGE,
        "outage.outage",
        (248.0,),
        variants=_WAITING,
        rounds={"obstore": 1},
    ),
    Experiment(
        "outage-over-end",
        "outage from minute 10 to 20",
        _OUTAGE,
        "outage.outage",
        (578.0,),
        variants=_WAITING,
        rounds={"obstore": 1},
    ),
)
