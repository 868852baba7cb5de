"""Samples of channels-last pooling: those of `window.py` over two spatial axes, rearranged."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.core.ir.dtypes import DType
from plait.core.ops.pool_nhwc import place_dtype
from tests.ops.samples import Sample, SampleMaker, values
from tests.ops.samples.window import CASES, _attrs, _distinct, extents_of

FLAT = [case for case in CASES if len(case[1]) == 2 and len(case[0]) == 2]


def _shape(lead: Any, spatial: Any) -> tuple[int, ...]:
    return (lead[0], *spatial, lead[1])


def _places(rng: np.random.Generator, window: Any, shape: tuple[int, ...]) -> np.ndarray:
    return rng.integers(0, np.prod(window), shape).astype(place_dtype(window).numpy)


def _max_pool(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    maker = _distinct if dtype.kind == "f" else values
    samples = [
        Sample((maker(rng, dtype, _shape(lead, spatial)),), _attrs(*rest))
        for lead, spatial, *rest in FLAT
    ]
    if dtype.kind == "f":
        for _, spatial, *rest in (CASES[0], CASES[2]):
            odd = values(rng, dtype, (1, *spatial, 3)).astype(np.float32)
            odd = np.round(odd).astype(dtype.numpy)  # with ties
            odd[0, ::3, ::2, 0] = np.nan
            odd[0, 1:3, :, 1] = -np.inf
            samples.append(Sample((odd,), _attrs(*rest), grad=False))
    return samples


def _window_sum(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    return [
        Sample((values(rng, dtype, _shape(lead, spatial)),), _attrs(*rest))
        for lead, spatial, *rest in FLAT
    ]


def _pick(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    return [
        Sample(
            (
                values(rng, dtype, _shape(lead, spatial)),
                _places(rng, rest[0], _shape(lead, extents_of(spatial, *rest))),
            ),
            _attrs(*rest),
        )
        for lead, spatial, *rest in FLAT
    ]


def _max_pool_grad(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    samples = []
    for lead, spatial, *rest in FLAT:
        shape = _shape(lead, extents_of(spatial, *rest))
        inputs = (values(rng, dtype, shape), _places(rng, rest[0], shape))
        samples.append(Sample(inputs, {"spatial": spatial, **_attrs(*rest)}))
    return samples


def _window_sum_grad(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    return [
        Sample(
            (values(rng, dtype, _shape(lead, extents_of(spatial, *rest))),),
            {"spatial": spatial, **_attrs(*rest)},
        )
        for lead, spatial, *rest in FLAT
    ]


SAMPLES: dict[str, SampleMaker] = {
    "max_pool_nhwc": _max_pool,
    "max_pool_nhwc_grad": _max_pool_grad,
    "max_pool_nhwc_pick": _pick,
    "window_sum_nhwc": _window_sum,
    "window_sum_nhwc_grad": _window_sum_grad,
}
