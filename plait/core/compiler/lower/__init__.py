"""How each family of ops becomes kernels: one module per family, listed in `table.py`."""
