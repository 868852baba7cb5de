"""Benchmarks: the same PyTorch program on Plait and on PyTorch; `python -m bench`, README.md."""
