"""Refusing values that hold a live secret, before they are written anywhere."""
