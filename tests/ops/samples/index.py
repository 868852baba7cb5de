"""Samples of take, gather and scatter."""

from __future__ import annotations

import numpy as np

from plait.core.ir.dtypes import DType
from tests.ops.samples import Sample, values


def _positive(rng: np.random.Generator, shape: tuple[int, ...], dtype: DType) -> np.ndarray:
    """Away from zero, so that products and extrema are smooth; small, so that integers fit."""
    return values(rng, dtype, shape, 0.5, 2.0)


def _places(rng: np.random.Generator, size: int, shape: tuple[int, ...]) -> np.ndarray:
    return rng.integers(0, size, shape) if size else np.zeros(shape, np.int64)


def _check_index(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    low = 0 if dtype.kind == "u" else -5
    return [
        Sample(
            (rng.integers(low, 5, shape).astype(dtype.numpy),), {"size": 5, "what": "dimension 0"}
        )
        for shape in [(), (4,), (2, 3), (0,)]
    ]


#: (shape of x, shape of index, axis) for whole slices.
_SLICES = [
    ((5,), (), 0),
    ((5, 3), (4,), 0),
    ((5, 3), (2, 2), 1),
    ((2, 4, 3), (3,), 1),
    ((2, 4, 3), (0,), 2),
    ((5, 0), (3,), 0),
    ((0, 3), (0,), 0),
]


def _take(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    return [
        Sample((_positive(rng, shape, dtype), _places(rng, shape[axis], index)), {"axis": axis})
        for shape, index, axis in _SLICES
    ]


def _at(distinct: bool):
    def samples(rng: np.random.Generator, dtype: DType) -> list[Sample]:
        made = []
        for shape, index_shape, axis in _SLICES:
            index = _places(rng, shape[axis], index_shape)
            if distinct and index.size:
                # The result of writing twice to one place is the last, its gradient by convention
                # that of each: only distinct places can be compared with differences.
                index = rng.permutation(max(shape[axis], index.size))[: index.size]
                index = index.reshape(index_shape) % max(shape[axis], 1)
            src = _positive(rng, shape[:axis] + index_shape + shape[axis + 1 :], dtype)
            smooth = not distinct or len(set(index.ravel().tolist())) == index.size
            made.append(Sample((_positive(rng, shape, dtype), index, src), {"axis": axis}, smooth))
        return made

    return samples


#: (shape of x, shape of index, axis) for single elements.
_ELEMENTS = [
    ((5,), (3,), 0),
    ((4, 3), (4, 1), 1),
    ((4, 3), (6, 2), 0),
    ((2, 4, 3), (1, 4, 5), 2),
    ((2, 4, 3), (2, 0, 3), 1),
    ((0, 3), (0, 2), 1),
]


def _gather(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    return [
        Sample((_positive(rng, shape, dtype), _places(rng, shape[axis], index)), {"axis": axis})
        for shape, index, axis in _ELEMENTS
    ]


def _scatter(*modes: str):
    def samples(rng: np.random.Generator, dtype: DType) -> list[Sample]:
        made = []
        for shape, index_shape, axis in _ELEMENTS:
            for mode in modes:
                index = _places(rng, shape[axis], index_shape)
                if mode == "set" and index_shape[axis] <= shape[axis]:
                    line = np.arange(index_shape[axis])[::-1]
                    rest = len(index_shape) - 1 - axis
                    index = np.broadcast_to(line.reshape((-1,) + (1,) * rest), index_shape)
                src = _positive(rng, index_shape, dtype)
                smooth = mode != "set" or index_shape[axis] <= shape[axis]
                attrs = {"axis": axis, "mode": mode}
                made.append(Sample((_positive(rng, shape, dtype), index, src), attrs, smooth))
        return made

    return samples


SAMPLES = {
    "check_index": _check_index,
    "take": _take,
    "add_at": _at(distinct=False),
    "put_at": _at(distinct=True),
    "gather": _gather,
    "scatter": _scatter("set", "add"),
    "scatter_reduce": _scatter("mul", "max", "min"),
}


def _torch_take(torch, x, index, *, axis):
    taken = torch.index_select(x, axis, index.reshape(-1))
    return taken.reshape((*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]))


def _torch_at(torch, base, index, src, axis, accumulate):
    places = (slice(None),) * axis + (index,)
    if accumulate:
        flat = src.reshape(*base.shape[:axis], index.numel(), *base.shape[axis + 1 :])
        return base.index_add(axis, index.reshape(-1), flat)
    result = base.clone()
    result[places] = src
    return result


_REDUCTIONS = {"mul": "prod", "max": "amax", "min": "amin"}


def _torch_scatter(torch, base, index, src, *, axis, mode):
    if mode == "set":
        return base.scatter(axis, index, src)
    return base.scatter_add(axis, index, src)


TORCH = {
    "take": _torch_take,
    "add_at": lambda torch, b, i, s, *, axis: _torch_at(torch, b, i, s, axis, True),
    "put_at": lambda torch, b, i, s, *, axis: _torch_at(torch, b, i, s, axis, False),
    "gather": lambda torch, x, index, *, axis: torch.gather(x, axis, index),
    "scatter": _torch_scatter,
    "scatter_reduce": lambda torch, b, i, s, *, axis, mode: b.scatter_reduce(
        axis, i, s, _REDUCTIONS[mode]
    ),
}
