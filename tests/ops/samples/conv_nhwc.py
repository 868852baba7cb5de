"""Samples of channels-last convolution: those of `conv` over two spatial axes, rearranged."""

from __future__ import annotations

import numpy as np

from plait.core.ir.dtypes import DType
from tests.ops.samples import Sample, SampleMaker, values
from tests.ops.samples.conv import CASES, Case

FLAT = [case for case in CASES if len(case.spatial) == 2]


def _x(rng: np.random.Generator, dtype: DType, c: Case) -> np.ndarray:
    return values(rng, dtype, (c.samples, *c.spatial, c.channels))


def _g(rng: np.random.Generator, dtype: DType, c: Case) -> np.ndarray:
    return values(rng, dtype, (c.samples, *c.extents, c.outputs))


def _conv(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    return [Sample((_x(rng, dtype, c), values(rng, dtype, c.shape_w)), c.window) for c in FLAT]


def _input_grad(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    return [
        Sample(
            (_g(rng, dtype, c), values(rng, dtype, c.shape_w)), {"spatial": c.spatial, **c.window}
        )
        for c in FLAT
    ]


def _weight_grad(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    return [
        Sample((_x(rng, dtype, c), _g(rng, dtype, c)), {"kernel": c.kernel, **c.window})
        for c in FLAT
    ]


SAMPLES: dict[str, SampleMaker] = {
    "conv_nhwc": _conv,
    "conv_nhwc_input_grad": _input_grad,
    "conv_nhwc_weight_grad": _weight_grad,
}
