"""A fleet of nodes on a clock that jumps from one call to the next."""
