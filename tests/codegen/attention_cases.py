"""Operands of attention for the kernels' tests, and how near results must be."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.core.ir import dtypes
from plait.core.ir.dtypes import DType

ISAS = ("avx512", "avx2")
#: Leading axes, queries, keys, width of a head, width of a value.
SHAPES = [
    ((2,), 1, 1, 1, 1),
    ((1, 2), 3, 63, 17, 5),
    ((2,), 127, 17, 3, 63),
    ((1,), 64, 128, 64, 64),
    ((1,), 130, 200, 32, 33),
    ((), 17, 66, 127, 130),
    ((2,), 1, 127, 64, 64),
    ((0,), 3, 4, 5, 6),
    ((2,), 0, 4, 5, 6),
    ((2,), 3, 0, 5, 6),
]
#: Sums of n products of unit size lose at most n unit roundoffs; scores enter an exponential, so
#: that their error (some roundoffs of a score of up to 8) counts in full.
STEPS = {"float32": (2.0**-24, 64), "float64": (2.0**-53, 64)}


def operands(shape: Any, dtype: DType, seed: int = 0) -> list[np.ndarray]:
    """q, k, v of a case."""
    lead, queries, keys, width, value = shape
    rng = np.random.default_rng(seed)
    shapes = ((*lead, queries, width), (*lead, keys, width), (*lead, keys, value))
    return [rng.normal(size=s).astype(dtype.numpy) for s in shapes]


def wide(x: np.ndarray) -> np.ndarray:
    return x if x.dtype == bool else x.astype(np.float64)


def check(results: Any, expected: Any, dtype: DType) -> None:
    """Results against the reference run in float64."""
    step = {"bfloat16": 2.0**-8, "float16": 2.0**-11}.get(dtype.name, 0.0)
    for result, exact in zip(results, expected, strict=True):
        roundoff, count = STEPS["float64" if result.dtype == np.float64 else "float32"]
        got = result.astype(np.float64)
        most = np.abs(exact[np.isfinite(exact)]).max(initial=1.0)
        half = step if result.dtype.itemsize == 2 else 0.0
        np.testing.assert_allclose(got, exact, rtol=half, atol=most * count * roundoff)


MASKS = [(1, 1), (3, 65), (1, 65), (3, 1), (2, 1, 3, 65), (2, 2, 1, 65), (2, 3, 65), (2, 1, 1, 65)]


def masked_operands(shape: tuple[int, ...], added: bool) -> tuple[list[np.ndarray], list[DType]]:
    """q, k, v and a mask of a shape, with a query that sees nothing; and their dtypes."""
    q, k, v = operands(((2, 2), 3, 65, 9, 10), dtypes.float32)
    rng = np.random.default_rng(1)
    mask = rng.random(shape) < 0.6
    if shape[-2:] == (3, 65):
        mask[..., 1, :] = False
    kind = dtypes.bool_
    if added:
        mask = np.where(mask, rng.normal(size=shape), -np.inf).astype(np.float32)
        kind = dtypes.float32
    return [q, k, v, mask], [dtypes.float32] * 3 + [kind]
