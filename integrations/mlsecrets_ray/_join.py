"""Hold a lease that is open on this node, and open none."""

from __future__ import annotations

from mlsecrets import Lease, hold, open_scopes
from mlsecrets.errors import NotLeased


def join(scope: str) -> Lease:
    """A lease that somebody has opened, held by this process too from now on.

    Raises:
        NotLeased: it is not open here.
        OwnerGone: this node's owner does not answer.
    """
    known = [view.name for view in open_scopes()]
    if scope not in known:
        # `hold` would open it, and not end it with the driver's block.
        raise NotLeased(
            f"no lease of {scope} is open; open: {', '.join(known) or 'none'}",
            remedy=f'name it in the driver: with mlsecrets_ray.leased("{scope}"): …',
        )
    return hold(scope)
