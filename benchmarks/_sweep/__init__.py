"""The parts of ``benchmarks/sweep.py``: readers, load, and the programs it watches."""
