"""What can go wrong with the embedded stack.

::

    MLSecretsError
    └── DevStackError
        ├── BinaryUnusable      an engine's program is missing or of another version
        └── EngineFailed        an engine did not come up; the message ends with its log
            └── PortTaken       ... because somebody took its port first: worth a retry
"""

from __future__ import annotations

from ..errors import MLSecretsError


class DevStackError(MLSecretsError):
    """The embedded stack cannot do what was asked."""


class BinaryUnusable(DevStackError):
    """An engine's program is missing, or is not the version we configure."""


class EngineFailed(DevStackError):
    """An engine did not come up; the message ends with the tail of its log."""


class PortTaken(EngineFailed):
    """Another process took a port between our look and the engine's bind."""
