"""Each lease's life as a picture, from the journal that its job has written.

>>> from mlsecrets.timeline import Timeline
>>> start = {"event": "issued", "scope": "data", "at": 0.0, "pid": 7}
>>> Timeline.of([{**start, "generation": 1, "expires_at": 9.0}])
<Timeline of 1 lease, 1 generation, 0 s>

It is a picture by itself in a notebook, and a text elsewhere: `Timeline.svg` for a file
of its own, `Timeline.html` for a page with the same facts as a table.
"""

from ._activity import Activity, Phase
from ._timeline import Timeline

__all__ = ["Activity", "Phase", "Timeline"]
