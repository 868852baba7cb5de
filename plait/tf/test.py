"""`tf.test`: what programs ask about the machine, and a TestCase."""

from __future__ import annotations

import unittest
from typing import Any

import numpy as np

from plait.tf import nest
from plait.tf._convert import convert


def is_gpu_available(*args: Any, **kwargs: Any) -> bool:
    return False


def is_built_with_cuda() -> bool:
    return False


def is_built_with_gpu_support() -> bool:
    return False


def gpu_device_name() -> str:
    return ""


class TestCase(unittest.TestCase):
    """unittest's, with comparisons of tensors."""

    def evaluate(self, tensors: Any) -> Any:
        """The values of tensors."""
        return nest.map_structure(lambda t: convert(t).numpy(), tensors)

    def assertAllClose(
        self, a: Any, b: Any, rtol: float = 1e-6, atol: float = 1e-6, msg: Any = None
    ) -> None:
        for x, y in zip(nest.flatten(a), nest.flatten(b)):
            np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol, atol, err_msg=msg or "")

    def assertAllEqual(self, a: Any, b: Any, msg: Any = None) -> None:
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b), err_msg=msg or "")

    def assertShapeEqual(self, a: Any, b: Any, msg: Any = None) -> None:
        self.assertEqual(tuple(a.shape), tuple(b.shape), msg)


def main(argv: Any = None) -> None:
    """Run the tests of the main module."""
    unittest.main(argv=argv)
