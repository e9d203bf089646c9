"""Leased credentials for the libraries that read storage: one file per library."""
