"""The keeper: an owner in a small process of its own, which outlives its trainer."""
