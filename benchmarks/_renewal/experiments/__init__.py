"""The experiments, each in a file of its own: what is done, and what is counted."""
