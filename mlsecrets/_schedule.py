"""When to renew: pure functions of a grant's terms.

The rule in one breath: renewal starts in the background while a comfortable part of
the life is left, each process at moments of its own, which it goes back to after an
outage; a failed try is repeated with growing pauses that never eat more than a quarter
of what remains; and while the work can still be saved with what is at hand, it is told
that nothing comes.
"""

from __future__ import annotations

import hashlib
import math

from .grant import Terms

MINUTE = 60.0
#: Seconds that an issuer call gets at the least, and at the most.
SHORTEST_CALL, LONGEST_CALL = 1.0, 10.0
#: The part of the usual wait that passes before a renewal, however early it comes: by
#: then it gains more than a tenth of the life, which a capped one would not.
SHORTEST_WAIT = 0.25


def window(lifetime: float) -> float:
    """How many seconds before the end a replacement should start, at most.

    By lifetime: 5 min up to 20 min, 15 min up to 90 min, else 60 min (the AWS SDKs'
    2026 refresh windows, aws-sdk-go-v2 ``aws/credential_cache.go``), and never more
    than half of the lifetime, so that short leases are not renewed at every read.
    """
    if lifetime <= 20 * MINUTE:
        advisory = 5 * MINUTE
    elif lifetime < 90 * MINUTE:
        advisory = 15 * MINUTE
    else:
        advisory = 60 * MINUTE
    return min(advisory, lifetime / 2)


def jitter(key: str) -> float:
    """A share in [0, 1) that is this process's own, the same at every call.

    A hash without structure: by a checksum such as CRC-32, two shares of one process
    depend on each other wherever hosts are numbered.

    Args:
        key: what tells this lease and process from others: scope, host, rank.
    """
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") / 2**32


def renewal_due(terms: Terms, key: str, ahead: float = 0.0) -> float:
    """The monotonic second at which to renew or replace a grant.

    A renewable grant is renewed with a third of its life left (Vault's
    ``LifetimeWatcher``, api/lifetime_watcher.go: two thirds, jitter a tenth); any other
    is replaced once `window` is reached, up to 30 % of the window later by `jitter`.
    The life is the grant's own: the login that it hangs on is renewed for itself.

    Args:
        terms: of the grant.
        key: see `jitter`.
        ahead: by which share in [0, 1) it comes earlier than that (`head_start`,
            `catching_up`): 0 not at all, 1 after a quarter of the wait.
    """
    if terms.renewable:
        left = terms.lifetime * (1 / 3 + jitter(key) / 10)
    else:
        left = window(terms.lifetime) * (1 - 0.3 * jitter(key))
    wait = terms.lifetime - left
    return terms.deadline - left - wait * ahead * (1 - SHORTEST_WAIT)


def head_start(key: str) -> float:
    """How far ahead, as a share, a process's first renewal comes.

    The processes of a job start together, and would renew together for hours: their
    waits differ by a tenth. One early renewal each puts them anywhere in a wait.

    Args:
        key: see `jitter`.
    """
    return jitter(f"the first renewal of {key}")


def catching_up(terms: Terms, key: str, ahead: float, now: float) -> float:
    """How far ahead, as a share, to renew what has been had at monotonic `now`.

    An outage makes all processes late, and its end all of them at once. Each wins back
    what it has lost in its next wait, and so goes back to moments of its own: those it
    would have had without the outage, whole waits left out.

    Args:
        terms: of the grant before.
        key: see `jitter`.
        ahead: how far ahead its renewal was due.
        now: when it was asked for, with success.
    """
    late = now - renewal_due(terms, key, ahead)
    wait = renewal_due(terms, key) - (terms.deadline - terms.lifetime)
    # A capped renewal may give no life at all: then there is no wait, either.
    return late % wait / wait if late > 0 and wait > 0 else 0.0


def would_be_cut(terms: Terms, now: float, ceiling: float) -> bool:
    """Whether a renewal at monotonic `now` would give less than the whole life.

    Then it is replaced instead, at the same moment. Renewals that are cut follow each
    other ever sooner, and the processes of a job come to them on the same day.

    Args:
        terms: of the grant.
        now: monotonic seconds.
        ceiling: monotonic seconds past which no renewal goes.
    """
    return now + terms.lifetime > ceiling


def backoff(attempt: int, remaining: float, share: float) -> float:
    """Seconds to wait after the `attempt`-th failure in a row (1, 2, …).

    Full jitter over an exponential step of 1 s. At most 5 min, and at most a quarter of
    the life that remains: a 15-minute lease must not sleep through its own end. Past
    the end at most 30 s, and a quarter of the time that has passed: somebody is waiting
    then, most of all at first. But never a quarter of less than four seconds, or the
    last moments of a life would be spent on calls alone.

    Args:
        attempt: how many failures there have been in a row.
        remaining: seconds of life left in the credentials at hand; negative past it.
        share: a random number in [0, 1).
    """
    longest = 5 * MINUTE if remaining > 0 else 30.0
    step = min(2.0 ** min(attempt - 1, 16), longest, max(abs(remaining) / 4, 1.0))
    # Never zero: a share of 0 would call again at once.
    return step * (0.1 + 0.9 * share)


def pause_when_crowded(
    attempt: int, remaining: float, lifetime: float, share: float
) -> float:
    """Seconds to wait after the `attempt`-th failure, of an issuer with too much to do.

    It is there, but for too many, as after an outage: asking again soon is what keeps
    it busy. Full jitter over the same exponential step, but of up to half of what
    remains, and past the end of up to a quarter of a life; at most 5 min.

    Args:
        attempt: how many failures there have been in a row, of whatever sort.
        remaining: seconds of life left in the credentials at hand; negative past it.
        lifetime: seconds that they were granted for.
        share: a random number in [0, 1).
    """
    longest = remaining / 2 if remaining > 0 else lifetime / 4
    step = min(2.0 ** min(attempt - 1, 16), 5 * MINUTE, max(longest, 1.0))
    return step * (0.1 + 0.9 * share)


def pause_as_asked(pause: float, retry_after: float, remaining: float) -> float:
    """`backoff`, stretched to what the issuer asks for by ``Retry-After``.

    Never to more than half of the life that remains (1 s at least): an issuer that asks
    for an hour must not make a lease sleep through its own end.
    """
    return max(pause, min(retry_after, max(remaining / 2, 1.0)))


def pause_after_refusal(remaining: float) -> float:
    """Seconds to wait after an issuer's plain no.

    Half of what remains, between 1 s and 5 min: few enough to lock no account, and
    enough to go on if somebody mends a policy while the credentials live.
    """
    return min(max(remaining / 2, 1.0), 5 * MINUTE) if remaining > 0 else 30.0


def last_call(lifetime: float) -> float:
    """Seconds before the end at which an outage counts as the end: half the `window`.

    Long enough to write a checkpoint with credentials that still work: 30 min of 12 h,
    2.5 min of 15 min.
    """
    return window(lifetime) / 2


def rejection_pause(count: int) -> float:
    """Seconds between replacing credentials that servers refuse, after `count` of them.

    1 s, 2 s, 4 s, ... 5 min: one early refusal is mended at once, and a server that
    refuses everything costs the issuer a call now and then, not one for each request.
    """
    return min(2.0 ** min(count - 1, 16), 5 * MINUTE)


def was_cut(before: Terms, after: Terms, asked: float = math.inf) -> bool:
    """Whether a renewal met its maximum, so that it is time to replace instead.

    OpenBao shortens renewals near ``max_ttl`` without ever saying ``renewable: false``.
    Less than nine tenths of what was asked for is too little: what is left would be
    renewed ever sooner (see `would_be_cut`). So is less than a tenth of the life gained
    (the Vault Secrets Operator's rule: horizons otherwise shrink to milliseconds).

    Args:
        before: the terms that were renewed.
        after: what came of it.
        asked: seconds of life that were asked for.
    """
    short = after.lifetime < 0.9 * min(before.lifetime, asked)
    return short or after.deadline - before.deadline < before.lifetime / 10


def call_timeout(remaining: float) -> float:
    """Seconds that one issuer call may take while the old credentials live.

    Half of what remains, so that one hanging call leaves time for another; between
    1 s and 10 s. Nothing that is left is nothing to save: then a slow issuer gets all.
    """
    if remaining <= 0:
        return LONGEST_CALL
    return min(LONGEST_CALL, max(SHORTEST_CALL, remaining / 2))
