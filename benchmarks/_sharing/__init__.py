"""One process's credentials, read by others: how long that takes, and what it feeds."""
