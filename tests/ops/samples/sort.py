"""Samples of sort and topk."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from plait.core.ir.dtypes import DType
from tests.ops.samples import Sample

SHAPES = [((5,), 0), ((4, 3), 0), ((2, 3, 4), 2), ((2, 3, 4), 1), ((0,), 0), ((3, 0), 0), ((1,), 0)]


def apart(rng: np.random.Generator, shape: tuple[int, ...], dtype: DType) -> np.ndarray:
    """Values a quarter apart in random order, so that no small step reorders them; whole numbers
    with duplicates for integer dtypes."""
    size = int(np.prod(shape))
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.kind in "iu":
        return rng.integers(0, 4, shape).astype(dtype.numpy)
    return ((rng.permutation(size) - size // 2) / 4).reshape(shape).astype(dtype.numpy)


def _with_nan(rng: np.random.Generator, dtype: DType) -> np.ndarray:
    return np.array([1, np.nan, -2, np.inf, np.nan, 1, -np.inf, 1]).astype(dtype.numpy)


def _sort(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    made = [
        Sample((apart(rng, shape, dtype),), {"axis": axis, "descending": down, "stable": True})
        for shape, axis in SHAPES
        for down in (False, True)
    ]
    if dtype.kind == "f":
        for down in (False, True):
            attrs = {"axis": 0, "descending": down, "stable": True}
            made.append(Sample((_with_nan(rng, dtype),), attrs, grad=False))
    return made


def _topk(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    made = []
    for shape, axis in SHAPES:
        for k in sorted({0, min(1, shape[axis]), shape[axis] // 2, shape[axis]}):
            for largest in (False, True):
                attrs = {"k": k, "axis": axis, "largest": largest}
                made.append(Sample((apart(rng, shape, dtype),), attrs))
    if dtype.kind == "f":
        for largest in (False, True):
            attrs = {"k": 4, "axis": 0, "largest": largest}
            made.append(Sample((_with_nan(rng, dtype),), attrs, grad=False))
    return made


SAMPLES: dict[str, Callable[[np.random.Generator, DType], list[Sample]]] = {
    "sort": _sort,
    "topk": _topk,
}


def _torch_topk(torch, x, *, k, axis, largest):
    # Through a stable sort: PyTorch's own topk leaves the order of equal values open.
    values, order = torch.sort(x, dim=axis, descending=largest, stable=True)
    return values.narrow(axis, 0, k), order.narrow(axis, 0, k)


TORCH: dict[str, Callable] = {
    "sort": lambda torch, x, *, axis, descending, stable: tuple(
        torch.sort(x, dim=axis, descending=descending, stable=True)
    ),
    "topk": _torch_topk,
}
