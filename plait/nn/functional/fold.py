"""Sliding blocks as columns, and their inverse (im2col and col2im)."""

from __future__ import annotations

import math
from typing import Any

from plait._tensor import Tensor
from plait.core.ir.errors import error
from plait.core.ops.view import reshape
from plait.core.ops.window import FOLD, UNFOLD
from plait.nn.functional._arguments import require_float, require_tensor

_Parameters = tuple[tuple[int, ...], ...]


def _pair(argument: str, value: Any) -> tuple[int, ...]:
    if hasattr(value, "__index__"):
        return (value.__index__(),) * 2
    values = tuple([v.__index__() for v in value])
    if len(values) == 1:
        return values * 2
    if len(values) != 2:
        raise error(
            RuntimeError, f"It is expected {argument} equals to 2, but got size {len(values)}"
        )
    return values


def _parameters(kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> _Parameters:
    kernel, dilations = _pair("kernel_size", kernel_size), _pair("dilation", dilation)
    pads, strides = _pair("padding", padding), _pair("stride", stride)
    for argument, (a, b) in (("kernel", kernel), ("dilation", dilations), ("stride", strides)):
        if a < 1 or b < 1:
            raise error(
                RuntimeError,
                f"{argument} should be greater than zero, but got {argument}_height: {a} "
                f"{argument}_width: {b}",
            )
    if min(pads) < 0:
        raise error(
            RuntimeError,
            f"padding should be non-negative, but got pad_height: {pads[0]} pad_width: {pads[1]}",
        )
    return kernel, dilations, pads, strides


def _places(spatial: Any, kernel: Any, dilation: Any, padding: Any, stride: Any) -> tuple[int, ...]:
    return tuple(
        [
            (n + 2 * p - d * (k - 1) - 1) // s + 1
            for n, k, d, p, s in zip(spatial, kernel, dilation, padding, stride)
        ]
    )


def unfold(
    input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """The blocks of (N, C, H, W) as columns (N, C * KH * KW, L); also without the batch axis."""
    require_tensor("unfold", "input", input, 1)
    kernel, dilations, pads, strides = _parameters(kernel_size, dilation, padding, stride)
    if input.ndim not in (3, 4) or 0 in input.shape[-3:]:
        raise error(
            RuntimeError,
            f"Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero "
            f"dimensions for input, but got: {list(input.shape)}",
        )
    places = _places(input.shape[-2:], kernel, dilations, pads, strides)
    if min(places) < 1:
        raise error(
            RuntimeError,
            f"Given input with spatial size {tuple(input.shape[-2:])}, kernel_size={kernel}, "
            f"dilation={dilations}, padding={pads}, calculated shape of the array of sliding "
            f"blocks as {places}, but its components must be at least one.",
        )
    require_float("im2col_out_cpu", input)
    x = input if input.ndim == 4 else reshape(input, (1, *input.shape))
    pairs = tuple([(p, p) for p in pads])
    columns = UNFOLD(x, kernel=kernel, strides=strides, padding=pairs, dilation=dilations)
    return columns if input.ndim == 4 else reshape(columns, tuple(columns.shape[1:]))


def fold(
    input: Tensor,
    output_size: Any,
    kernel_size: Any,
    dilation: Any = 1,
    padding: Any = 0,
    stride: Any = 1,
) -> Tensor:
    """The transpose of unfold: columns (N, C * KH * KW, L) added up into (N, C, *output_size)."""
    require_tensor("fold", "input", input, 1)
    spatial = _pair("output_size", output_size)
    kernel, dilations, pads, strides = _parameters(kernel_size, dilation, padding, stride)
    if input.ndim not in (2, 3) or 0 in input.shape[-2:]:
        raise error(
            RuntimeError,
            f"Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and "
            f"non-zero dimensions for input, but got: {list(input.shape)}",
        )
    rows, columns = input.shape[-2:]
    if rows % math.prod(kernel):
        raise error(
            RuntimeError,
            f"Expected size of input's dimension 1 to be divisible by the product of kernel_size, "
            f"but got input.size(1)={rows} and kernel_size={kernel}.",
        )
    places = _places(spatial, kernel, dilations, pads, strides)
    if columns != math.prod(places) or min(places) < 1:
        raise error(
            RuntimeError,
            f"Given output_size={spatial}, kernel_size={kernel}, dilation={dilations}, "
            f"padding={pads}, stride={strides}, expected size of input's dimension 2 to match the "
            f"calculated number of sliding blocks {places[0]} * {places[1]} = "
            f"{math.prod(places)}, but got input.size(2)={columns}.",
        )
    x = input if input.ndim == 3 else reshape(input, (1, *input.shape))
    pairs = tuple([(p, p) for p in pads])
    made = FOLD(
        x, spatial=spatial, kernel=kernel, strides=strides, padding=pairs, dilation=dilations
    )
    return made if input.ndim == 3 else reshape(made, tuple(made.shape[1:]))
