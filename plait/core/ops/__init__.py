"""The operations: one record each, by family. Importing this package defines them all."""

from plait.core.ops import contract, conv, elementwise, math, reduce, source, view, window

__all__ = ["contract", "conv", "elementwise", "math", "reduce", "source", "view", "window"]
