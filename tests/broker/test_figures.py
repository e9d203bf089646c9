"""What an owner says of its leases to people who look on, and where owners are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from mlsecrets._broker._place import Place, places
from mlsecrets._broker.attach import figures
from mlsecrets._broker.join import Membership
from mlsecrets.errors import IssuerUnavailable
from tests.broker.owner import Owner


def test_an_owner_tells_how_its_leases_fare(owner: Owner) -> None:
    """Numbers and names. Who asks is no reader, and is shown no secret."""
    pid, [told] = figures(owner.broker.path, 5.0)
    assert pid == os.getpid()
    assert told["view"]["name"] == "data"
    assert (told["generation"], told["renewals"], told["doomed"]) == (1, 0, False)
    assert (told["failures"], told["last_failure"]) == (0, None)
    assert (told["members"], told["readers"]) == (0, 0)
    assert 0 < told["remaining"] <= 60
    assert "fake-token" not in json.dumps(told)
    assert not owner.journal.events("attached")


def test_it_counts_who_holds_what_was_replaced_and_what_failed(owner: Owner) -> None:
    """The last error stays in sight when all is well again."""
    member = Membership(owner.broker.place, lambda event: None, lambda lost: None)
    try:
        member.join("data")
        owner.issuer.failures.append(IssuerUnavailable("it is away"))
        owner.live.invalidate(1)
        _, [told] = figures(owner.broker.path, 5.0)
        assert (told["members"], told["generation"]) == (1, 1)
        assert (told["failures"], told["last_failure"]) == (1, "IssuerUnavailable")
        owner.live.tend()
        _, [told] = figures(owner.broker.path, 5.0)
        assert (told["generation"], told["failures"]) == (2, 1)
        assert told["last_failure"] == "IssuerUnavailable"
    finally:
        member.close()


READS_TWICE = """
import sys
from pathlib import Path
from mlsecrets._broker.attach import Attachment
for _ in range(2):
    Attachment(Path(sys.argv[1])).source("data").snapshot()
"""


def test_who_has_read_is_counted_once(owner: Owner) -> None:
    """Not each read: workers read again at each rotation."""
    for readers in (1, 2):
        command = [sys.executable, "-c", READS_TWICE, str(owner.broker.path)]
        subprocess.run(command, check=True)
        _, [told] = figures(owner.broker.path, 5.0)
        assert told["readers"] == readers


def test_places_of_this_user_are_found(runtime: Path) -> None:
    """Private ones, and those of jobs; none that others can enter."""
    made = [Place.private(), Place.of_job("job")]
    open_to_all = runtime / "mlsecrets-planted"
    open_to_all.mkdir()
    open_to_all.chmod(0o755)
    (open_to_all / "socket").touch()
    for place in made:
        place.make_folder()
        place.socket.touch()
    assert {place for place in places() if place.folder.is_relative_to(runtime)} == set(
        made
    )
