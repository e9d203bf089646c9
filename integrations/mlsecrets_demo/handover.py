"""Handing the last credentials to the demo, to be tried after their end.

No program should do this: it plays the thief, who got at everything that the training
process has just before it ends. The demo then tries them with its own hands, first to
see that they work, later until they are refused.
"""

from __future__ import annotations

from mlsecrets import hold, lease

from .channel import Channel
from .plan import OWN_TOKEN, SCOPES


def hand_over(channel: Channel) -> None:
    """Send every credential; returns when the other end has seen that they work."""
    with lease(OWN_TOKEN):
        for scope in (*SCOPES, OWN_TOKEN):
            grant = hold(scope).snapshot()
            buffer = grant.credentials.buffer
            channel.say(
                "credentials",
                scope=scope,
                kind=grant.credentials.KIND,
                public=grant.credentials.public,
                fields=list(grant.credentials.FIELDS),
                lengths=[length for _, length in buffer.slots],
                expires_at=grant.terms.expires_at,
                generation=grant.terms.generation,
            )
            with buffer.reading() as view:
                channel.send_raw(view)
        channel.ask("all handed over")
