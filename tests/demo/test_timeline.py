"""The picture of a run."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from mlsecrets_demo import journal, timeline
from mlsecrets_demo.journal import Life

SVG = "{http://www.w3.org/2000/svg}"


def _draw(
    lives: list[Life], reads: list[dict[str, Any]] | None = None, title: str = "a run"
) -> ElementTree.Element:
    start = min((life.start for life in lives), default=0.0)
    told = timeline.phases([{"name": "train", "at": start}], start + 10.0)
    return ElementTree.fromstring(timeline.draw(lives, reads or [], told, title=title))


def _marked(picture: ElementTree.Element, kind: str) -> list[ElementTree.Element]:
    return [found for found in picture.iter() if found.get("class") == kind]


def test_each_generation_of_each_scope_has_its_bar(lines: list[dict[str, Any]]):
    """A recorded run parses as XML and shows a bar for every credential it had."""
    lives = journal.lives(lines)
    picture = _draw(lives)
    assert picture.tag == f"{SVG}svg"
    assert len(_marked(picture, "grant")) == len(lives) > 10
    revoked = [life for life in lives if life.fate == "revoked"]
    in_legend = 1
    assert len(_marked(picture, "revoked")) == len(revoked) + in_legend


def test_bars_lie_on_the_time_axis():
    """A bar is as long as the life it stands for, on the scale of all of them."""
    picture = _draw([Life("a", 1, 0.0, 5.0, 10.0), Life("b", 1, 5.0, 10.0, 10.0)])
    first, second = _marked(picture, "grant")
    width = float(first.attrib["width"])
    assert abs(float(second.attrib["width"]) - width / 2) < 0.2
    assert float(second.attrib["x"]) > float(first.attrib["x"])


def test_overlapping_lives_have_lanes_of_their_own():
    """Two credentials that are valid at once are not drawn over each other."""
    lives = [
        Life("a", 1, 0.0, 5.0, 9.0),
        Life("a", 2, 5.0, 10.0, 14.0),
        Life("a", 3, 10.0, 15.0, 19.0),
    ]
    assert timeline.lanes(lives) == [0, 1, 0]


def test_failed_reads_are_drawn_one_by_one():
    """Reads that went well are columns, each that failed is a line of its own."""
    reads = [{"at": second / 10, "ok": second != 7} for second in range(30)]
    picture = _draw([Life("a", 1, 0.0, 10.0, 10.0)], reads)
    assert len(_marked(picture, "reads")) == 3
    assert len(_marked(picture, "failed")) == 1


def test_names_are_escaped():
    """A scope's or a run's name is text, whatever it holds."""
    picture = _draw([Life("<a&b>", 1, 0.0, 1.0, 1.0)], title='"<script>"')
    words = [found.text for found in picture.iter(f"{SVG}text")]
    assert "<a&b>" in words
    assert '"<script>"' in words


def test_renewals_are_marked_on_the_bar():
    """A diamond for each renewal, and one in the legend."""
    picture = _draw([Life("a", 1, 0.0, 9.0, 9.0, renewals=(3.0, 6.0))])
    assert len(_marked(picture, "renewed")) == 2 + 1


def test_a_run_without_leases_can_be_drawn():
    """Nothing to show is no error."""
    assert _marked(_draw([]), "grant") == []
