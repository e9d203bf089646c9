"""Plain torch training and distributed checkpoints on leased credentials."""

from __future__ import annotations
