"""From what a scope says to what a store enforces: pure functions."""

from .session_policy import session_policy

__all__ = ["session_policy"]
