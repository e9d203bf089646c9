"""Inference servers on leased credentials."""

from __future__ import annotations
