"""Peaks and means of instants, and what chance alone would give."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise


def counts(instants: Sequence[float], begin: float, end: float, bins: int) -> list[int]:
    """How many fall into each of equal parts of an interval.

    Args:
        instants: seconds, in order.
        begin: seconds, which count.
        end: seconds, which do not.
        bins: how many parts.
    """
    edges = [begin + (end - begin) * number / bins for number in range(bins)] + [end]
    places = [bisect_left(instants, edge) for edge in edges]
    return [after - before for before, after in pairwise(places)]


def peak_over_mean(found: list[int]) -> float:
    """The fullest over the average; not a number if all are empty."""
    return max(found) * len(found) / sum(found) if sum(found) else math.nan


def poisson_peak(mean: float, bins: int) -> float:
    """Peak over mean of calls at random: the median of the fullest of so many bins.

    Args:
        mean: calls in a bin.
        bins: how many there are.
    """
    below, term, most = 0.0, -mean, 0
    wanted = 0.5 ** (1 / bins)
    while True:
        below += math.exp(term)
        if below >= wanted or most > 10 * mean + 50:
            return most / mean
        most += 1
        term += math.log(mean / most)
