"""Convolution over 1 to 3 spatial axes, and its transposes in the input and in the weight.

The three ops are bilinear and closed under differentiation: each one's rule is the other two.
Transposed convolution (`ConvTranspose`) is the transpose in the input, with the layer's own weight
layout (input channels, output channels / groups, *kernel).
"""

from __future__ import annotations

import math
from typing import Any

from plait.core.ir import dtypes
from plait.core.ir.errors import ShapeError
from plait.core.ir.op import Lowering, Op, elements
from plait.core.ops.families import NUMBER, require_kind, require_same_dtype
from plait.core.ops.geometry import Padding, window_extents
from plait.core.ops.numeric import conv as numeric
from plait.core.ops.view import PAD

Ints = tuple[int, ...]


def _require_operands(name: str, first: Any, second: Any) -> None:
    require_same_dtype(name, first, second)
    require_kind(name, first.dtype, NUMBER)
    rank = len(first.shape)
    if rank != len(second.shape) or not 3 <= rank <= 5:
        raise ShapeError(
            f"{name}: expected two operands with 1 to 3 spatial axes after the first two, received "
            f"shapes {list(first.shape)} and {list(second.shape)}"
        )


def _require_channels(name: str, channels: int, outputs: int, shape_w: Ints, groups: int) -> None:
    """Channels of the input and of the result against a weight (O, C / groups, *kernel)."""
    if groups < 1 or outputs != shape_w[0] or outputs % groups or channels != shape_w[1] * groups:
        raise ShapeError(
            f"{name}: given groups={groups}, a weight of shape {list(shape_w)} takes "
            f"{shape_w[1] * groups} channels to {shape_w[0]} (a multiple of groups), but received "
            f"{channels} channels to {outputs}"
        )


def _infer_conv(
    x: Any, w: Any, *, strides: Ints, padding: Padding, dilation: Ints, groups: int
) -> tuple[Any, Any]:
    """Cross-correlation of x (N, C, *spatial) with w (O, C / groups, *kernel)."""
    _require_operands("conv", x, w)
    _require_channels("conv", x.shape[1], w.shape[0], w.shape, groups)
    extents = window_extents("conv", x.shape[2:], w.shape[2:], strides, padding, dilation)
    return (x.shape[0], w.shape[0], *extents), x.dtype


def _infer_input_grad(
    g: Any, w: Any, *, spatial: Ints, strides: Ints, padding: Padding, dilation: Ints, groups: int
) -> tuple[Any, Any]:
    """The transpose of conv in x: g (N, O, *extents), w (O, C / groups, *kernel).

    `spatial` may be any that conv takes to g's extents.
    """
    name = "conv_input_grad"
    _require_operands(name, g, w)
    _require_channels(name, w.shape[1] * groups, g.shape[1], w.shape, groups)
    extents = window_extents(name, spatial, w.shape[2:], strides, padding, dilation)
    _require_extents(name, g, spatial, extents)
    return (g.shape[0], w.shape[1] * groups, *spatial), g.dtype


def _infer_weight_grad(
    x: Any, g: Any, *, kernel: Ints, strides: Ints, padding: Padding, dilation: Ints, groups: int
) -> tuple[Any, Any]:
    """The transpose of conv in w: x (N, C, *spatial), g (N, O, *extents)."""
    name = "conv_weight_grad"
    _require_operands(name, x, g)
    if x.shape[0] != g.shape[0]:
        raise ShapeError(
            f"{name}: operands of shapes {list(x.shape)} and {list(g.shape)} differ in batch size"
        )
    shape = (g.shape[1], x.shape[1] // max(groups, 1), *kernel)
    _require_channels(name, x.shape[1], g.shape[1], shape, groups)
    extents = window_extents(name, x.shape[2:], kernel, strides, padding, dilation)
    _require_extents(name, g, x.shape[2:], extents)
    return shape, x.dtype


def _require_extents(name: str, g: Any, spatial: Ints, extents: Ints) -> None:
    if g.shape[2:] != extents:
        raise ShapeError(
            f"{name}: spatial extents {list(spatial)} give a result of extents {list(extents)}, "
            f"not those of an operand of shape {list(g.shape)}"
        )


def _flops(places: int, shape_w: Ints) -> int:
    """Multiplications and additions for `places` = samples * result places."""
    return 2 * places * elements(shape_w)


def _conv_flops(x: Any, w: Any, **attrs: Any) -> int:
    shape, _ = _infer_conv(x, w, **attrs)
    return _flops(shape[0] * math.prod(shape[2:]), w.shape)


def _input_grad_flops(g: Any, w: Any, **attrs: Any) -> int:
    return _flops(g.shape[0] * math.prod(g.shape[2:]), w.shape)


def _weight_grad_flops(x: Any, g: Any, **attrs: Any) -> int:
    shape, _ = _infer_weight_grad(x, g, **attrs)
    return _flops(g.shape[0] * math.prod(g.shape[2:]), shape)


def _bytes_of(infer: Any) -> Any:
    def count(a: Any, b: Any, **attrs: Any) -> int:
        shape, _ = infer(a, b, **attrs)
        return (elements(a.shape) + elements(b.shape) + elements(shape)) * a.dtype.itemsize

    return count


def _conv_reference(x: Any, w: Any, *, strides: Any, padding: Any, dilation: Any, **rest: Any):
    extents = window_extents("conv", x.shape[2:], w.shape[2:], strides, padding, dilation)
    return numeric.conv(x, w, extents, strides=strides, padding=padding, dilation=dilation, **rest)


def _conv_vjp(g: Any, y: Any, x: Any, w: Any, **attrs: Any) -> tuple[Any, Any]:
    return (
        CONV_INPUT_GRAD(g, w, spatial=x.shape[2:], **attrs),
        CONV_WEIGHT_GRAD(x, g, kernel=w.shape[2:], **attrs),
    )


def _input_grad_vjp(t: Any, y: Any, g: Any, w: Any, *, spatial: Ints, **attrs: Any) -> Any:
    return CONV(t, w, **attrs), CONV_WEIGHT_GRAD(t, g, kernel=w.shape[2:], **attrs)


def _weight_grad_vjp(t: Any, y: Any, x: Any, g: Any, *, kernel: Ints, **attrs: Any) -> Any:
    return CONV_INPUT_GRAD(g, t, spatial=x.shape[2:], **attrs), CONV(x, t, **attrs)


CONV = Op(
    "conv",
    infer=_infer_conv,
    lowering=Lowering.CONV,
    reference=_conv_reference,
    vjp=_conv_vjp,
    saves=(0, 1),
    reads=((1,), (0,)),
    flops=_conv_flops,
    bytes=_bytes_of(_infer_conv),
    dtypes=dtypes.FLOATS,
)
CONV_INPUT_GRAD = Op(
    "conv_input_grad",
    infer=_infer_input_grad,
    lowering=Lowering.CONV,
    reference=numeric.conv_input_grad,
    vjp=_input_grad_vjp,
    saves=(0, 1),
    reads=((1,), (0,)),
    flops=_input_grad_flops,
    bytes=_bytes_of(_infer_input_grad),
    dtypes=dtypes.FLOATS,
)
CONV_WEIGHT_GRAD = Op(
    "conv_weight_grad",
    infer=_infer_weight_grad,
    lowering=Lowering.CONV,
    reference=numeric.conv_weight_grad,
    vjp=_weight_grad_vjp,
    saves=(0, 1),
    reads=((1,), (0,)),
    flops=_weight_grad_flops,
    bytes=_bytes_of(_infer_weight_grad),
    dtypes=dtypes.FLOATS,
)


def conv_transpose(
    x: Any,
    w: Any,
    *,
    strides: Ints,
    padding: Ints,
    output_padding: Ints,
    dilation: Ints,
    groups: int,
) -> Any:
    """Transposed convolution as PyTorch's `conv_transpose1d` to `3d`, without the bias.

    x: (N, C, *spatial), w: (C, O / groups, *kernel) -> (N, O, *result) with result extents
    (n - 1) * stride - 2 * padding + dilation * (k - 1) + output_padding + 1. Raises ShapeError
    where an output padding is not smaller than its stride or dilation.
    """
    if any(not 0 <= o < max(s, d) for o, s, d in zip(output_padding, strides, dilation)):
        raise ShapeError(
            f"conv_transpose: output_padding must be smaller than either stride or dilation, "
            f"received output_padding {output_padding}, strides {strides}, dilation {dilation}"
        )
    # Output padding first takes back what padding cut off at the end; what is left are places that
    # no input reaches.
    high = [p - min(p, o) for p, o in zip(padding, output_padding)]
    beyond = [o - min(p, o) for p, o in zip(padding, output_padding)]
    spatial = [
        (n - 1) * s + d * (k - 1) + 1 - low - up
        for n, s, d, k, low, up in zip(x.shape[2:], strides, dilation, w.shape[2:], padding, high)
    ]
    if any(n < 1 for n in spatial):
        raise ShapeError(
            f"conv_transpose: an input of shape {list(x.shape)} with a weight of shape "
            f"{list(w.shape)}, strides {strides}, padding {padding} and dilation {dilation} gives "
            f"a result without elements (extents {spatial})"
        )
    y = CONV_INPUT_GRAD(
        x,
        w,
        spatial=tuple(spatial),
        strides=strides,
        padding=tuple(zip(padding, high)),
        dilation=dilation,
        groups=groups,
    )
    if not any(beyond):
        return y
    none = (0,) * len(y.shape)
    return PAD(y, low=none, high=(0, 0, *beyond), interior=none, value=0)
