"""A server under load while its leases rotate and its workers are replaced."""
