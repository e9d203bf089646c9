"""The picture and the page: what is in them, and that it is well-formed."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from mlsecrets.events import Event, Journal
from mlsecrets.timeline import Activity, Phase, Timeline
from mlsecrets.timeline._axis import Axis, elapsed
from mlsecrets.timeline._picture import MOST_ROWS, lanes
from tests.timeline.lines import event

SVG = "{http://www.w3.org/2000/svg}"


def drawn(timeline: Timeline) -> ElementTree.Element:
    """The picture, but for its legend."""
    picture = ElementTree.fromstring(timeline.svg())
    for legend in [part for part in picture if part.get("class") == "legend"]:
        picture.remove(legend)
    return picture


def of_class(picture: ElementTree.Element, kind: str) -> list[ElementTree.Element]:
    return [one for one in picture.iter() if kind in one.get("class", "").split()]


def words(picture: ElementTree.Element) -> str:
    """Everything that is written on it."""
    return "\n".join(one.text or "" for one in picture.iter(f"{SVG}text"))


def tooltips(picture: ElementTree.Element, kind: str) -> list[str]:
    return [one[0].text or "" for one in of_class(picture, kind)]


def test_each_generation_has_its_bar_on_the_scale_of_all() -> None:
    """As long as the life it stands for, and in full colour while it was used."""
    lines = [event("issued", 0), event("replaced", 5, generation=2)]
    ends = [event(name, 15, generation=2) for name in ("ends_at_ttl", "shredded")]
    picture = drawn(Timeline.of([*lines, *ends]))
    first, second = of_class(picture, "grant")
    used, _ = of_class(picture, "use")
    assert first.attrib["width"] == second.attrib["width"]
    assert float(used.attrib["width"]) == pytest.approx(
        float(first.attrib["width"]) / 2, abs=0.2
    )
    assert float(first.attrib["y"]) < float(second.attrib["y"])


def test_everything_that_can_happen_is_told() -> None:
    """Each kind of mark has its tooltip; each kind of end its shape."""
    lines = [
        event("issued", 0),
        event("attached", 1, worker=7),
        event("joined", 2, worker=8),
        event("left", 3, worker=8),
        event("refused", 4, worker=9, reason="not shared"),
        event("renewed", 5),
        event("capped", 6, reason="max_ttl"),
        event("throttled", 7, error="IssuerThrottled"),
        event("renewal_failed", 8, error="IssuerSealed"),
        event("doomed", 9, error="IssuerSealed"),
        event("expired", 15, generation=1),
        event("replaced", 16, generation=2),
        event("rejected", 17, generation=2),
        event("owned", 18),
        event("revoked", 20, generation=2),
        event("shredded", 20),
    ]
    picture = drawn(Timeline.of(lines))
    assert len(tooltips(picture, "mark")) == 10
    told = "\n".join(tooltips(picture, "mark"))
    for part in ("process 7", "process 9: not shared", "IssuerSealed", "max_ttl"):
        assert part in told
    for kind in ("renewed", "revoked", "stop", "doom", "end"):
        assert len(of_class(picture, kind)) == 1


def test_failures_that_lie_together_are_one_mark_with_their_number() -> None:
    """A sealed issuer is asked many times: what counts is how often, and when."""
    failures = [event("renewal_failed", 5 + n / 1000, error="E") for n in range(50)]
    [told] = tooltips(drawn(Timeline.of([event("issued", 0), *failures])), "mark")
    assert told == "data: 50 renewals failed, 5 s to 5 s (E)"


def test_phases_and_activity_stand_beside_the_leases() -> None:
    """What went well as columns; each failure as a line."""
    good = [second / 10 for second in range(30) if second != 7]
    picture = drawn(
        Timeline.of(
            [event("issued", 0)],
            phases=[Phase("train", 0.0, 10.0)],
            activities=[Activity("reads", good, [0.7])],
        )
    )
    assert len(of_class(picture, "activity")) == 3
    assert len(of_class(picture, "failed")) == 1
    assert "29 reads\nat most 10/s\n1 failed" in words(picture)
    assert tooltips(picture, "phase") == ["train: 10 s"]


def test_only_what_expired_in_use_is_trouble() -> None:
    """A generation that was replaced may end by itself."""
    replaced = [event("issued", 0), event("replaced", 6, generation=2)]
    ends = [event("expired", 12, generation=1), event("revoked", 12, generation=2)]
    assert "expired in use" not in Timeline.of([*replaced, *ends]).html()
    lapsed = [event("issued", 0), event("expired", 10, generation=1)]
    assert "<td>1 expired in use</td>" in Timeline.of(lapsed).html()


def test_names_are_text_whatever_they_hold() -> None:
    """Of scopes, of runs, and of errors; in the picture and in the page."""
    lines = [event("issued", 0, "<a&b>"), event("renewal_failed", 1, error="<script>")]
    timeline = Timeline.of(lines, title='"<script>"')
    assert "<a&b>" in words(drawn(timeline))
    assert "<script" not in timeline.html()


def test_a_long_journal_is_drawn_in_few_bars_and_says_so() -> None:
    """A hundred thousand events fit into a page that a browser can show."""
    lines = [event("issued", 0)]
    lines += [
        event("replaced", at, generation=at + 1, expires_at=at + 2.0)
        for at in range(1, 100_000)
    ]
    timeline = Timeline.of(lines)
    assert len(timeline.html()) < 100_000
    assert "100,000 generations that are too short" in words(drawn(timeline))


def test_many_processes_are_cut_off_and_it_says_so() -> None:
    """The table has them all."""
    lines = [event("issued", 0, pid=pid) for pid in range(1, MOST_ROWS + 11)]
    timeline = Timeline.of(lines)
    picture = drawn(timeline)
    assert len(of_class(picture, "grant")) == MOST_ROWS
    assert "10 more rows are not drawn" in words(picture)
    assert f"<td>{MOST_ROWS + 10}</td>" in timeline.html()


def test_a_token_for_a_month_does_not_make_the_picture_a_month_long() -> None:
    """It runs out of the picture, by an arrow."""
    month = event("issued", 0, "login:bao", expires_at=2.6e6)
    picture = drawn(Timeline.of([month, event("issued", 1), event("replaced", 30)]))
    assert len(of_class(picture, "open")) == 2
    assert "40 s" in words(picture)


def test_only_the_last_part_can_be_shown() -> None:
    """Of a journal that many runs have written."""
    lines = [event("issued", 0), event("issued", 1000, pid=2), event("issued", 1001)]
    assert repr(Timeline.of(lines, last=60)) == (
        "<Timeline of 2 leases, 2 generations, 1 s>"
    )


def test_no_events_make_a_picture_that_says_so(tmp_path: Path) -> None:
    """Of a job that has not begun, or of another program's file."""
    path = tmp_path / "journal.jsonl"
    path.write_text("torn\n")
    text = words(drawn(Timeline.of(path)))
    assert "the journal tells of no lease" in text
    assert "1 line of the journal: no events" in text
    with pytest.raises(FileNotFoundError):
        Timeline.of(tmp_path / "none")


def test_a_notebook_shows_the_picture_of_events_in_memory() -> None:
    """Events as listeners get them do as well as lines; the page stands alone."""
    journal = Journal()
    detail = {"generation": 1, "expires_at": 9.0}
    journal.record(Event("issued", "data", 1.0, 7, detail))
    timeline = Timeline.of(journal.events())
    assert timeline._repr_svg_() == timeline.svg() in timeline._repr_html_()
    page = timeline.html()
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "<script" not in page


def test_overlapping_lives_have_lanes_of_their_own() -> None:
    """Two credentials that are valid at once are not drawn over each other."""
    assert lanes([(0, 9), (5, 14), (10, 19)]) == [0, 1, 0]
    assert max(lanes([(n, 1000) for n in range(100)])) == 5


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (5.49, "5.5 s"),
        (59.7, "1 min"),
        (90, "1 min 30 s"),
        (7200, "2 h"),
        (90061, "1 d 1 h"),
    ],
)
def test_durations_are_told_in_two_units(seconds: float, text: str) -> None:
    """As people say them."""
    assert elapsed(seconds) == text


@pytest.mark.parametrize("seconds", [0.1, 30, 5000, 1e6, 1e9])
def test_the_scale_has_some_marks_and_not_too_many(seconds: float) -> None:
    """From a test's run to many years."""
    assert 2 <= len(Axis(1e9, 1e9 + seconds, 0, 1000).marks()) <= 17
