"""Plait: a deep-learning framework in Python, from the tensor to the machine code."""

from plait.version import __version__

__all__ = ["__version__"]
