"""Samples of the cumulative ops."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from plait.core.ir.dtypes import DType
from tests.ops.samples import Sample, values
from tests.ops.samples.sort import apart

_SHAPES = [((6,), 0), ((4, 3), 0), ((2, 3, 4), 2), ((2, 3, 4), 1), ((0,), 0), ((3, 0), 0)]


def _cumsum(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    return [
        Sample((values(rng, dtype, shape),), {"axis": axis, "reverse": reverse})
        for shape, axis in _SHAPES
        for reverse in (False, True)
    ]


def _cumprod(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    made = [Sample((values(rng, dtype, shape, 0.5, 2.0),), {"axis": a}) for shape, a in _SHAPES]
    one_zero = values(rng, dtype, (6,), 1.0, 2.0)
    one_zero[2] = 0
    two_zeros = values(rng, dtype, (3, 5), 1.0, 2.0)
    two_zeros[1, 1] = two_zeros[1, 3] = two_zeros[2, 0] = 0
    return [*made, Sample((one_zero,), {"axis": 0}), Sample((two_zeros,), {"axis": 1})]


def _running(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    made = [Sample((apart(rng, shape, dtype),), {"axis": axis}) for shape, axis in _SHAPES]
    if dtype.kind == "f":
        line = np.array([1, 1, 0, np.nan, 3, np.nan, 5]).astype(dtype.numpy)
        made.append(Sample((line,), {"axis": 0}, grad=False))
    return made


def _logcumsumexp(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    made = [Sample((values(rng, dtype, shape),), {"axis": axis}) for shape, axis in _SHAPES]
    far = np.array([-np.inf, -100, 90, -80, np.inf]).astype(dtype.numpy)
    return [*made, Sample((far,), {"axis": 0}, grad=False)]


def _recurrence(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    return [
        Sample(
            (values(rng, dtype, shape), values(rng, dtype, shape)),
            {"axis": axis, "reverse": reverse},
        )
        for shape, axis in _SHAPES
        for reverse in (False, True)
    ]


SAMPLES: dict[str, Callable[[np.random.Generator, DType], list[Sample]]] = {
    "cumsum": _cumsum,
    "cumprod": _cumprod,
    "cummax": _running,
    "cummin": _running,
    "logcumsumexp": _logcumsumexp,
    "linear_recurrence": _recurrence,
}


def _torch_cumsum(torch, x, *, axis, reverse):
    if reverse:
        return x.flip(axis).cumsum(axis, dtype=x.dtype).flip(axis)
    return x.cumsum(axis, dtype=x.dtype)


def _torch_recurrence(torch, x, a, *, axis, reverse):
    xs, factors = x.double().unbind(axis), a.double().unbind(axis)
    if not xs:
        return x.clone()
    found = []
    for i in reversed(range(len(xs))) if reverse else range(len(xs)):
        found.append(xs[i] + factors[i + reverse] * found[-1] if found else xs[i])
    return torch.stack(found[::-1] if reverse else found, axis).to(x.dtype)


TORCH: dict[str, Callable] = {
    "cumsum": _torch_cumsum,
    "cumprod": lambda torch, x, *, axis: x.cumprod(axis, dtype=x.dtype),
    "cummax": lambda torch, x, *, axis: tuple(x.cummax(axis)),
    "cummin": lambda torch, x, *, axis: tuple(x.cummin(axis)),
    "logcumsumexp": lambda torch, x, *, axis: torch.logcumsumexp(x, axis),
    "linear_recurrence": _torch_recurrence,
}
