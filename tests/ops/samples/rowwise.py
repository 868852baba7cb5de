"""Samples of softmax and of the normalisations."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.core.ir.dtypes import DType
from tests.ops.samples import Sample, SampleMaker, values


def _softmax(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    cases = (((3, 4), 1), ((3, 4), 0), ((2, 3, 5), 1), ((7,), 0), ((0, 3), 1), ((3, 0), 1))
    samples = [Sample((values(rng, dtype, shape),), {"axis": axis}) for shape, axis in cases]
    far = values(rng, dtype, (4, 5), -60.0, 60.0)
    far[1, 2] = far[2, :] = -np.inf
    far[3, 3] = np.nan
    return [*samples, Sample((far,), {"axis": 1}, grad=False)]


def _affine(rng: np.random.Generator, dtype: DType, shape: Any, count: int) -> list[np.ndarray]:
    return [values(rng, dtype, shape, 0.5, 1.5) for _ in range(count)]


def _trailing(most: int) -> SampleMaker:
    def make(rng: np.random.Generator, dtype: DType) -> list[Sample]:
        samples = []
        for shape, axes in (
            ((3, 8), (1,)),
            ((2, 3, 4), (1, 2)),
            ((2, 3, 6), (2,)),
            ((5,), (0,)),
            ((0, 4), (1,)),
        ):
            for count in range(most + 1):
                x = values(rng, dtype, shape)
                parts = _affine(rng, dtype, tuple(shape[axis] for axis in axes), count)
                samples.append(Sample((x, *parts), {"axes": axes, "eps": 1e-2}))
        return samples

    return make


def _batch_norm(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    samples = []
    for shape in ((6, 3), (4, 3, 5), (2, 3, 4, 3), (2, 1, 2, 2, 2)):
        for count in (0, 1, 2):
            parts = _affine(rng, dtype, (shape[1],), count)
            samples.append(Sample((values(rng, dtype, shape), *parts), {"eps": 1e-2}))
    return samples


def _group_norm(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    samples = []
    for shape, groups in (((2, 6), 2), ((2, 4, 3), 4), ((2, 6, 2, 3), 3), ((0, 4, 2), 2)):
        for count in (0, 1, 2):
            parts = _affine(rng, dtype, (shape[1],), count)
            attrs = {"groups": groups, "eps": 1e-2}
            samples.append(Sample((values(rng, dtype, shape), *parts), attrs))
    return samples


SAMPLES: dict[str, SampleMaker] = {
    "softmax": _softmax,
    "log_softmax": _softmax,
    "layer_norm": _trailing(2),
    "rms_norm": _trailing(1),
    "batch_norm": _batch_norm,
    "group_norm": _group_norm,
}


def _layer_norm(torch: Any, x: Any, *affine: Any, axes: tuple[int, ...], eps: float) -> Any:
    shape = tuple(x.shape[axis] for axis in axes)
    return torch.nn.functional.layer_norm(x, shape, *affine, eps=eps)


def _rms_norm(torch: Any, x: Any, *affine: Any, axes: tuple[int, ...], eps: float) -> Any:
    shape = tuple(x.shape[axis] for axis in axes)
    return torch.nn.functional.rms_norm(x, shape, *affine, eps=eps)


def _torch_batch_norm(torch: Any, x: Any, *affine: Any, eps: float) -> Any:
    y = torch.nn.functional.batch_norm(x, None, None, *affine, training=True, momentum=0.0, eps=eps)
    axes = [0, *range(2, x.ndim)]
    wide = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    return y, wide.mean(axes), wide.var(axes, correction=0)


def _torch_group_norm(torch: Any, x: Any, *affine: Any, groups: int, eps: float) -> Any:
    return torch.nn.functional.group_norm(x, groups, *affine, eps=eps)


TORCH = {
    "softmax": lambda torch, x, *, axis: torch.softmax(x, axis),
    "log_softmax": lambda torch, x, *, axis: torch.log_softmax(x, axis),
    "layer_norm": _layer_norm,
    "rms_norm": _rms_norm,
    "batch_norm": _torch_batch_norm,
    "group_norm": _torch_group_norm,
}
