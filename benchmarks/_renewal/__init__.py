"""The parts of ``benchmarks/renewal.py``: the issuer, the clients, the experiments."""
