"""Samples of the Fourier transforms."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from plait.core.ir.dtypes import DType
from tests.ops.samples import Sample, values

_SHAPES = [((5,), (0,)), ((2, 6), (1,)), ((3, 4), (0, 1)), ((4, 2, 3), (2, 0)), ((0, 4), (1,))]


def _fft(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    return [
        Sample((values(rng, dtype, shape),), {"axes": axes, "inverse": inverse, "norm": norm})
        for shape, axes in _SHAPES
        for inverse in (False, True)
        for norm in ("backward", "ortho", "forward")
    ]


def _rfft(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    return [
        Sample((values(rng, dtype, shape),), {"axes": axes, "norm": norm})
        for shape, axes in _SHAPES
        for norm in ("backward", "ortho")
    ]


def _irfft(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    return [
        Sample((values(rng, dtype, shape),), {"axes": axes, "n": n, "norm": "backward"})
        for shape, axes in _SHAPES
        for n in (2 * shape[axes[-1]] - 2, 2 * shape[axes[-1]] - 1)
    ]


SAMPLES: dict[str, Callable[[np.random.Generator, DType], list[Sample]]] = {
    "fft": _fft,
    "rfft": _rfft,
    "irfft": _irfft,
}


def _of_torch(function: Callable) -> Callable:
    """PyTorch's MKL refuses empty batches: those are the first none of a batch of one."""

    def call(torch, x, **attrs):
        if x.numel():
            return function(torch, x, **attrs)
        return function(torch, x.new_zeros((1, *x.shape[1:])), **attrs)[:0]

    return call


def _torch_fft(torch, x, *, axes, inverse, norm):
    return (torch.fft.ifftn if inverse else torch.fft.fftn)(x, dim=axes, norm=norm)


def _torch_irfft(torch, x, *, axes, n, norm):
    extents = [x.shape[a] for a in axes[:-1]]
    return torch.fft.irfftn(x, s=[*extents, n], dim=axes, norm=norm)


TORCH: dict[str, Callable] = {
    "fft": _of_torch(_torch_fft),
    "rfft": _of_torch(lambda torch, x, *, axes, norm: torch.fft.rfftn(x, dim=axes, norm=norm)),
    "irfft": _of_torch(_torch_irfft),
}
