"""The picture of a run."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from mlsecrets_demo.timeline import timeline


def test_a_recorded_run_shows_its_leases_phases_and_reads(lines: list[dict[str, Any]]):
    """A bar for every credential; phases that follow each other; each failed read."""
    start = lines[0]["at"]
    reads = [{"at": start + n / 10, "ok": n != 7} for n in range(30)]
    told = [{"name": "train", "at": start}, {"name": "leave", "at": start + 10}]
    text = timeline(lines, reads, told, title="a run").svg()
    picture = ElementTree.fromstring(text)
    made = [line for line in lines if line["event"] in {"issued", "replaced"}]
    kinds = [part.get("class", "").split() for part in picture.iter()]
    assert sum("grant" in kind for kind in kinds) == len(made) > 10
    assert sum("phase" in kind for kind in kinds) == 2
    assert "29 reads" in text
    assert "1 failed" in text
