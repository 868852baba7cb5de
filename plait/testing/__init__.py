"""Comparison of values in tests, and random tensors for them."""

from plait.testing._comparison import assert_allclose, assert_close
from plait.testing._creation import make_tensor

__all__ = ["assert_allclose", "assert_close", "make_tensor"]
