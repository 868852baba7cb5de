"""Samples of convolution and its transposes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from plait.core.ir.dtypes import DType
from tests.ops.samples import Sample, SampleMaker, values


@dataclass
class Case:
    """One set of parameters; the extents are x's and the weight's."""

    samples: int
    channels: int
    outputs: int
    spatial: tuple[int, ...]
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    groups: int = 1

    @property
    def extents(self) -> tuple[int, ...]:
        return tuple(
            (n + lo + hi - d * (k - 1) - 1) // s + 1
            for n, (lo, hi), d, k, s in zip(
                self.spatial, self.padding, self.dilation, self.kernel, self.strides
            )
        )

    @property
    def shape_x(self) -> tuple[int, ...]:
        return (self.samples, self.channels, *self.spatial)

    @property
    def shape_w(self) -> tuple[int, ...]:
        return (self.outputs, self.channels // self.groups, *self.kernel)

    @property
    def shape_g(self) -> tuple[int, ...]:
        return (self.samples, self.outputs, *self.extents)

    @property
    def window(self) -> dict[str, Any]:
        return {
            "strides": self.strides,
            "padding": self.padding,
            "dilation": self.dilation,
            "groups": self.groups,
        }


CASES = (
    Case(2, 3, 4, (7,), (3,), (1,), ((0, 0),), (1,)),
    Case(2, 3, 4, (8,), (3,), (2,), ((1, 2),), (2,)),
    Case(2, 3, 4, (6, 5), (3, 2), (1, 1), ((0, 0), (0, 0)), (1, 1)),
    Case(2, 3, 4, (7, 6), (3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1)),  # a row of x is never read
    Case(1, 2, 2, (9, 8), (3, 2), (3, 2), ((2, 0), (1, 2)), (2, 3)),
    Case(3, 4, 6, (5, 5), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1), 2),
    Case(2, 4, 4, (5, 6), (3, 3), (1, 2), ((1, 1), (1, 1)), (1, 1), 4),  # depthwise
    Case(2, 3, 6, (5, 6), (2, 3), (1, 1), ((0, 1), (2, 1)), (1, 2), 3),  # with a multiplier
    Case(2, 5, 3, (4, 4), (1, 1), (1, 1), ((0, 0), (0, 0)), (1, 1)),
    Case(2, 4, 6, (5, 4), (1, 1), (2, 2), ((0, 0), (0, 0)), (1, 1), 2),
    Case(2, 2, 3, (12, 13), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1)),  # many places
    Case(2, 2, 3, (4, 5, 3), (2, 3, 2), (1, 2, 1), ((0, 0), (1, 1), (1, 0)), (1, 1, 1)),
    Case(2, 2, 3, (2, 2), (3, 3), (2, 2), ((3, 3), (3, 3)), (1, 1)),  # windows in the padding
    Case(0, 3, 4, (5, 5), (3, 3), (1, 1), ((0, 0), (0, 0)), (1, 1)),
)


def _conv(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    return [
        Sample((values(rng, dtype, c.shape_x), values(rng, dtype, c.shape_w)), c.window)
        for c in CASES
    ]


def _input_grad(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    return [
        Sample(
            (values(rng, dtype, c.shape_g), values(rng, dtype, c.shape_w)),
            {"spatial": c.spatial, **c.window},
        )
        for c in CASES
    ]


def _weight_grad(rng: np.random.Generator, dtype: DType) -> list[Sample]:
    return [
        Sample(
            (values(rng, dtype, c.shape_x), values(rng, dtype, c.shape_g)),
            {"kernel": c.kernel, **c.window},
        )
        for c in CASES
    ]


SAMPLES: dict[str, SampleMaker] = {
    "conv": _conv,
    "conv_input_grad": _input_grad,
    "conv_weight_grad": _weight_grad,
}


def in_float32(function: Any) -> Any:
    """16-bit operands computed in float32 and rounded once, which PyTorch does not always do."""

    def result(torch: Any, *tensors: Any, **attrs: Any) -> Any:
        kind = tensors[0].dtype
        if kind not in (torch.float16, torch.bfloat16):
            return function(torch, *tensors, **attrs)
        return function(torch, *[t.float() for t in tensors], **attrs).to(kind)

    return result


def _flat(padding: Any) -> list[int]:
    """Padding as F.pad takes it: the last axis first."""
    return [p for pair in reversed(padding) for p in pair]


def _torch_conv(
    torch: Any, x: Any, w: Any, *, strides: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    functional = torch.nn.functional
    conv = (functional.conv1d, functional.conv2d, functional.conv3d)[len(strides) - 1]
    padded = functional.pad(x, _flat(padding))
    return conv(padded, w, stride=strides, dilation=dilation, groups=groups)


def _torch_input_grad(
    torch: Any,
    g: Any,
    w: Any,
    *,
    spatial: Any,
    strides: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Any:
    functional = torch.nn.functional
    rank = len(spatial)
    transposed = (
        functional.conv_transpose1d,
        functional.conv_transpose2d,
        functional.conv_transpose3d,
    )[rank - 1]
    if math.prod(g.shape) == 0:
        return g.new_zeros((g.shape[0], w.shape[1] * groups, *spatial))
    whole = transposed(g, w, stride=strides, dilation=dilation, groups=groups)
    short = [n + lo + hi - m for n, (lo, hi), m in zip(spatial, padding, whole.shape[2:])]
    padded = functional.pad(whole, _flat([(0, p) for p in short]))
    return padded[(..., *[slice(lo, lo + n) for n, (lo, _) in zip(spatial, padding)])]


def _torch_weight_grad(
    torch: Any, x: Any, g: Any, *, kernel: Any, groups: int, **window: Any
) -> Any:
    shape = (g.shape[1], x.shape[1] // groups, *kernel)
    w = torch.zeros(shape, dtype=x.dtype, requires_grad=True)
    y = _torch_conv(torch, x, w, groups=groups, **window)
    return torch.autograd.grad(y, w, g, create_graph=True)[0]


TORCH = {
    "conv": in_float32(_torch_conv),
    "conv_input_grad": in_float32(_torch_input_grad),
    "conv_weight_grad": in_float32(_torch_weight_grad),
}
