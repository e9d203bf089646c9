"""Leased runs on a real Ray cluster of several nodes on one machine."""
