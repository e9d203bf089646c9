"""What the engines' own logs say, beside the journal."""

from __future__ import annotations

from collections import Counter
from typing import Any

from mlsecrets_demo import audit


def test_requests_are_counted_by_path(audit_text: str):
    """Each request counts once, although the log has an entry for its answer too."""
    paths = audit.requested(audit.parse(audit_text))
    assert paths[audit.LOGIN] == 1
    assert paths[audit.STORE_JWT] == 2
    assert paths[audit.MLFLOW_JWT] == 1
    assert paths[audit.REVOKE_LOGIN] == 1


def test_a_line_that_is_being_written_is_left_for_later(audit_text: str):
    """Half a line at the end of a log is no entry, and no error."""
    whole = audit.parse(audit_text)
    assert audit.parse(audit_text[:-40]) == whole[:-1]


def test_all_calls_of_one_login_are_one_client(audit_text: str):
    """Whoever logs in has an accessor; who asks for credentials is told by it."""
    entries = audit.parse(audit_text)
    assert len(audit.clients(entries)) == 1
    other = {**entries[2], "auth": {**entries[2]["auth"], "accessor": "another"}}
    assert len(audit.clients([*entries, other])) == 2


def test_answers_with_an_error_are_refusals(audit_text: str):
    """The thief's look-up of a revoked token is refused, and the log has it."""
    assert audit.refused(audit.parse(audit_text)) == 1


def test_the_stores_counters_are_compared_at_two_instants():
    """Only what was counted in between counts."""
    before = {("GET", "200", "datasets"): 5, ("PUT", "200", "datasets"): 2}
    after = {("GET", "200", "datasets"): 9, ("PUT", "200", "datasets"): 2}
    assert audit.difference(after, before) == {("GET", "200", "datasets"): 4}


def test_journal_and_logs_stand_side_by_side(lines: list[dict[str, Any]]):
    """The recorded run's journal agrees with what was asked of the engines in it."""
    asked = audit.Asked(
        Counter(
            {
                audit.LOGIN: 1,
                audit.REVOKE_LOGIN: 1,
                audit.STORE_JWT: 12,
                audit.MLFLOW_JWT: 6,
            }
        ),
        refused=0,
        clients=1,
        assumed=12,
        identified=3,
        ended=3,
    )
    rows = audit.compare(lines, asked)
    assert rows
    assert all(row.journal == row.engine for row in rows)


def test_a_call_that_the_journal_lacks_shows(lines: list[dict[str, Any]]):
    """One JWT more than the owner asked for is a difference of one."""
    asked = audit.Asked(Counter({audit.STORE_JWT: 13}), 0, 2, 12, 3, 3)
    rows = {row.call: row for row in audit.compare(lines, asked)}
    row = rows["JWT for the store"]
    assert row.engine - row.journal == 1
