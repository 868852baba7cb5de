"""Executor of graphs on NumPy: the oracle of every other executor."""
