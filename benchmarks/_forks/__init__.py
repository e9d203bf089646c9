"""Forks in the middle of renewals, and what the children have and can do."""
