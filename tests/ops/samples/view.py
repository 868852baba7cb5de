"""Samples of the views and of the ops that write into one."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.core.ir import dtypes
from plait.core.ir.dtypes import DType
from tests.ops.samples import Sample, SampleMaker, values


def _with_attrs(*cases: tuple[tuple[int, ...], dict[str, Any]]) -> SampleMaker:
    def make(rng: np.random.Generator, dtype: DType) -> list[Sample]:
        return [Sample((values(rng, dtype, shape),), attrs) for shape, attrs in cases]

    return make


def _places(starts: Any, stops: Any, steps: Any) -> dict[str, Any]:
    return {"starts": starts, "stops": stops, "steps": steps}


SLICES = (
    ((5, 6), _places((1, 0), (4, 6), (1, 1))),
    ((5, 6), _places((0, 1), (5, 6), (2, 3))),
    ((5, 6), _places((2, 2), (2, 6), (1, 1))),
    ((7,), _places((1,), (6,), (3,))),
    ((), _places((), (), ())),
    ((0, 3), _places((0, 1), (0, 3), (1, 1))),
)


def _updates(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    samples = []
    for shape, places in SLICES:
        base = values(rng, dtype, shape)
        where = tuple(slice(*p) for p in zip(*places.values()))
        samples.append(Sample((base, values(rng, dtype, base[where].shape)), places))
    return samples


def _pads(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    cases = (
        ((3, 4), (1, 0), (0, 2), (0, 0)),
        ((3, 4), (0, 0), (1, 1), (1, 2)),
        ((0, 2), (2, 1), (1, 0), (3, 0)),
        ((), (), (), ()),
        ((1,), (0,), (0,), (4,)),
    )
    return [
        Sample(
            (values(rng, dtype, shape),),
            {"low": low, "high": high, "interior": interior, "value": value},
        )
        for shape, low, high, interior in cases
        for value in (0, 1)
    ]


def _concats(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    cases = (
        (((2, 3), (4, 3)), 0),
        (((2, 3), (2, 0), (2, 1)), 1),
        (((5,),), 0),
        (((0, 2), (0, 2)), 0),
    )
    return [
        Sample(tuple(values(rng, dtype, shape) for shape in shapes), {"axis": axis})
        for shapes, axis in cases
    ]


def _bitcasts(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    pairs = (
        (dtypes.float32, dtypes.int32),
        (dtypes.int64, dtypes.float64),
        (dtypes.bfloat16, dtypes.int16),
        (dtypes.uint8, dtypes.int8),
    )
    return [
        Sample((values(rng, given, shape),), {"dtype": wanted}, grad=False)
        for given, wanted in pairs
        for shape in ((3, 4), (), (0,))
    ]


SAMPLES: dict[str, SampleMaker] = {
    "broadcast": _with_attrs(
        ((3, 1), {"shape": (3, 4)}),
        ((4,), {"shape": (2, 3, 4)}),
        ((1, 3, 1), {"shape": (2, 3, 2)}),
        ((), {"shape": (2, 2)}),
        ((), {"shape": ()}),
        ((1, 3), {"shape": (0, 3)}),
    ),
    "reshape": _with_attrs(
        ((3, 4), {"shape": (2, 6)}),
        ((2, 3, 2), {"shape": (12,)}),
        ((1, 1), {"shape": ()}),
        ((), {"shape": (1,)}),
        ((0, 3), {"shape": (5, 0)}),
    ),
    "transpose": _with_attrs(
        ((3, 4), {"axes": (1, 0)}),
        ((2, 3, 4), {"axes": (2, 0, 1)}),
        ((), {"axes": ()}),
        ((0, 3), {"axes": (1, 0)}),
    ),
    "flip": _with_attrs(
        ((3, 4), {"axes": (0,)}),
        ((2, 3, 4), {"axes": (0, 2)}),
        ((), {"axes": ()}),
        ((0, 3), {"axes": (1,)}),
    ),
    "slice": _with_attrs(*SLICES),
    "pad": _pads,
    "update_slice": _updates,
    "concat": _concats,
    "bitcast": _bitcasts,
}


def _slice(torch: Any, x: Any, *, starts: Any, stops: Any, steps: Any) -> Any:
    return x[tuple(slice(a, b, s) for a, b, s in zip(starts, stops, steps))]


def _update(torch: Any, base: Any, value: Any, **where: Any) -> Any:
    updated = base.clone()
    _slice(torch, updated, **where).copy_(value)
    return updated


TORCH = {
    "broadcast": lambda torch, x, *, shape: x.expand(shape),
    "reshape": lambda torch, x, *, shape: x.reshape(shape),
    "transpose": lambda torch, x, *, axes: x.permute(axes),
    "flip": lambda torch, x, *, axes: x.flip(axes),
    "slice": _slice,
    "update_slice": _update,
    "concat": lambda torch, *values, axis: torch.cat(values, axis),
    "bitcast": lambda torch, x, *, dtype: x.view(getattr(torch, dtype.name)),
}
