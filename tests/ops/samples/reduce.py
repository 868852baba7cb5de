"""Samples of the reductions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from plait.core.ir.dtypes import DType
from plait.core.ir.op import op_by_name
from tests.ops.samples import Sample, SampleMaker, values

CASES = (
    ((3, 4), (1,)),
    ((3, 4), (0,)),
    ((3, 4), (0, 1)),
    ((2, 3, 4), (0, 2)),
    ((2, 3, 4), ()),
    ((), ()),
    ((0, 3), (1,)),
    ((130,), (0,)),
)
EMPTY_FOLD = ((0, 3), (0,))


def _fold(name: str, *, empty: bool) -> SampleMaker:
    def make(rng: np.random.Generator, dtype: DType) -> list[Sample]:
        low, high = op_by_name(name).domain
        cases = [*CASES, EMPTY_FOLD] if empty else CASES
        samples = [
            Sample(
                (values(rng, dtype, shape, low, high),),
                {"axes": axes},
                grad=(shape, axes) != EMPTY_FOLD or name == "sum",  # the mean of nothing is nan
            )
            for shape, axes in cases
        ]
        if dtype.kind == "f" and name != "prod":
            odd = values(rng, dtype, (4, 5))
            odd[1, 2] = np.nan
            odd[2, 3] = np.inf
            samples.append(Sample((odd,), {"axes": (1,)}, grad=False))
        return samples

    return make


def _products(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    samples = [
        Sample((values(rng, dtype, shape, 0.5, 1.5),), {"axes": axes})
        for shape, axes in (*CASES[:-1], EMPTY_FOLD)
    ]
    zeros = values(rng, dtype, (3, 4), 0.5, 1.5)
    zeros[0, 1] = zeros[1, 2] = zeros[1, 3] = 0
    return [*samples, Sample((zeros,), {"axes": (1,)})]


def _arg(name: str) -> SampleMaker:
    def make(rng: np.random.Generator, dtype: DType) -> list[Sample]:
        samples = [
            Sample((values(rng, dtype, shape),), {"axis": axis})
            for shape, axis in (((3, 4), 1), ((3, 4), 0), ((2, 3, 4), 1), ((0, 3), 1), ((7,), 0))
        ]
        if dtype.kind == "f":
            odd = values(rng, dtype, (4, 5))
            odd[1, 2] = odd[1, 3] = np.nan
            samples.append(Sample((odd,), {"axis": 1}))
        return samples

    return make


SAMPLES: dict[str, SampleMaker] = {
    "sum": _fold("sum", empty=True),
    "mean": _fold("mean", empty=True),
    "prod": _products,
    "max": _fold("max", empty=False),
    "min": _fold("min", empty=False),
    "max_evenly": _fold("max_evenly", empty=False),
    "min_evenly": _fold("min_evenly", empty=False),
    "all": _fold("all", empty=True),
    "any": _fold("any", empty=True),
    "argmax": _arg("argmax"),
    "argmin": _arg("argmin"),
}


def _over(fold: Any) -> Any:
    """PyTorch folds every axis when it is given none: an empty tuple is the identity here."""

    def result(torch: Any, x: Any, *, axes: tuple[int, ...]) -> Any:
        return fold(torch, x, axes) if axes else x.clone()

    return result


def _prod(torch: Any, x: Any, *, axes: tuple[int, ...]) -> Any:
    # One fold over all axes at once: PyTorch takes one axis, and would round after each.
    kept = [axis for axis in range(x.ndim) if axis not in axes]
    shape = [1 if axis in axes else n for axis, n in enumerate(x.shape)]
    count = math.prod(x.shape[axis] for axis in axes)
    rows = x.permute((*kept, *axes)).reshape([*[x.shape[axis] for axis in kept], count])
    return torch.prod(rows, -1, dtype=x.dtype).reshape(shape)


def _logic(name: str) -> Any:
    def result(torch: Any, x: Any, *, axes: tuple[int, ...]) -> Any:
        for axis in axes:
            x = getattr(torch, name)(x, axis, keepdim=True)
        return x.clone()

    return result


def _whole(name: str) -> Any:
    """PyTorch folds all elements or one axis, with other gradients: every fold by itself here."""

    def result(torch: Any, x: Any, *, axes: tuple[int, ...]) -> Any:
        kept = [axis for axis in range(x.ndim) if axis not in axes]
        shape = [1 if axis in axes else n for axis, n in enumerate(x.shape)]
        if 0 in shape or not axes:
            return x.sum(axes, keepdim=True) if axes else x.clone()
        count = math.prod(x.shape[axis] for axis in axes)
        rows = x.permute((*kept, *axes)).reshape(-1, count)
        return torch.stack([getattr(torch, name)(row) for row in rows]).reshape(shape)

    return result


TORCH = {
    "sum": _over(lambda torch, x, axes: torch.sum(x, axes, keepdim=True, dtype=x.dtype)),
    "mean": _over(lambda torch, x, axes: torch.mean(x, axes, keepdim=True)),
    "prod": _prod,
    "max": _over(lambda torch, x, axes: torch.amax(x, axes, keepdim=True)),
    "min": _over(lambda torch, x, axes: torch.amin(x, axes, keepdim=True)),
    "max_evenly": _whole("max"),
    "min_evenly": _whole("min"),
    "all": _logic("all"),
    "any": _logic("any"),
    "argmax": lambda torch, x, *, axis: torch.argmax(x, axis, keepdim=True),
    "argmin": lambda torch, x, *, axis: torch.argmin(x, axis, keepdim=True),
}
