"""Convolution over two spatial axes with the channels last, and its two transposes.

The forms that kernels work on: the compiler's layout pass rewrites `conv` and its gradients over
two spatial axes into these and `transpose`. Activations are (N, H, W, C); weights stay as layers
keep them, (O, C / groups, kh, kw). Attributes mean what they mean for `conv`:

    conv(x, w, *window)                        conv_nhwc(x, w, *window)
    conv_input_grad(g, w, spatial, *window)    conv_nhwc_input_grad(g, w, spatial, *window)
    conv_weight_grad(x, g, kernel, *window)    conv_nhwc_weight_grad(x, g, kernel, *window)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.core.ir import dtypes
from plait.core.ir.errors import ShapeError
from plait.core.ir.node import Spec
from plait.core.ir.op import Lowering, Op
from plait.core.ops.conv import CONV, CONV_INPUT_GRAD, CONV_WEIGHT_GRAD

Ints = tuple[int, ...]


def _first(name: str, x: Any) -> Spec:
    """The type of a channels-last operand with its channels first."""
    if len(x.shape) != 4:
        raise ShapeError(f"{name}: expected (N, H, W, C), received shape {list(x.shape)}")
    samples, height, width, channels = x.shape
    return Spec((samples, channels, height, width), x.dtype)


def _last(shape: Ints) -> Ints:
    samples, channels, height, width = shape
    return (samples, height, width, channels)


def _channels_first(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(x, 3, 1))


def _channels_last(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(x, 1, 3))


def _numeric(op: Op, *arrays: np.ndarray, **attrs: Any) -> np.ndarray:
    """What the channels-first op computes."""
    assert op.reference is not None
    return op.reference(*arrays, **attrs)


# -- the convolution --------------------------------------------------------------------------


def _infer_conv(x: Any, w: Any, **attrs: Any) -> tuple[Any, Any]:
    """Cross-correlation of x (N, H, W, C) with w (O, C / groups, kh, kw): (N, H', W', O)."""
    shape, dtype = CONV.infer(_first("conv_nhwc", x), w, **attrs)
    return _last(shape), dtype


def _conv(x: np.ndarray, w: np.ndarray, **attrs: Any) -> np.ndarray:
    return _channels_last(_numeric(CONV, _channels_first(x), w, **attrs))


def _conv_vjp(g: Any, y: Any, x: Any, w: Any, **attrs: Any) -> tuple[Any, Any]:
    return (
        CONV_NHWC_INPUT_GRAD(g, w, spatial=x.shape[1:3], **attrs),
        CONV_NHWC_WEIGHT_GRAD(x, g, kernel=w.shape[2:], **attrs),
    )


CONV_NHWC = Op(
    "conv_nhwc",
    infer=_infer_conv,
    lowering=Lowering.CONV,
    reference=_conv,
    vjp=_conv_vjp,
    saves=(0, 1),
    reads=((1,), (0,)),
    flops=lambda x, w, **attrs: CONV.flops(_first("conv_nhwc", x), w, **attrs),
    bytes=lambda x, w, **attrs: CONV.bytes(_first("conv_nhwc", x), w, **attrs),
    dtypes=dtypes.FLOATS,
)


# -- its transpose in the input ---------------------------------------------------------------


def _infer_input_grad(g: Any, w: Any, **attrs: Any) -> tuple[Any, Any]:
    """The transpose of conv_nhwc in x: g (N, H', W', O), w (O, C / groups, kh, kw)."""
    shape, dtype = CONV_INPUT_GRAD.infer(_first("conv_nhwc_input_grad", g), w, **attrs)
    return _last(shape), dtype


def _input_grad(g: np.ndarray, w: np.ndarray, **attrs: Any) -> np.ndarray:
    return _channels_last(_numeric(CONV_INPUT_GRAD, _channels_first(g), w, **attrs))


def _input_grad_vjp(t: Any, y: Any, g: Any, w: Any, *, spatial: Ints, **attrs: Any) -> Any:
    return CONV_NHWC(t, w, **attrs), CONV_NHWC_WEIGHT_GRAD(t, g, kernel=w.shape[2:], **attrs)


CONV_NHWC_INPUT_GRAD = Op(
    "conv_nhwc_input_grad",
    infer=_infer_input_grad,
    lowering=Lowering.CONV,
    reference=_input_grad,
    vjp=_input_grad_vjp,
    saves=(0, 1),
    reads=((1,), (0,)),
    flops=lambda g, w, **attrs: CONV_INPUT_GRAD.flops(_first("conv", g), w, **attrs),
    bytes=lambda g, w, **attrs: CONV_INPUT_GRAD.bytes(_first("conv", g), w, **attrs),
    dtypes=dtypes.FLOATS,
)


# -- its transpose in the weight --------------------------------------------------------------


def _infer_weight_grad(x: Any, g: Any, **attrs: Any) -> tuple[Any, Any]:
    """The transpose of conv_nhwc in w: x (N, H, W, C), g (N, H', W', O)."""
    name = "conv_nhwc_weight_grad"
    return CONV_WEIGHT_GRAD.infer(_first(name, x), _first(name, g), **attrs)


def _weight_grad(x: np.ndarray, g: np.ndarray, **attrs: Any) -> np.ndarray:
    return _numeric(CONV_WEIGHT_GRAD, _channels_first(x), _channels_first(g), **attrs)


def _weight_grad_vjp(t: Any, y: Any, x: Any, g: Any, *, kernel: Ints, **attrs: Any) -> Any:
    return CONV_NHWC_INPUT_GRAD(g, t, spatial=x.shape[1:3], **attrs), CONV_NHWC(x, t, **attrs)


CONV_NHWC_WEIGHT_GRAD = Op(
    "conv_nhwc_weight_grad",
    infer=_infer_weight_grad,
    lowering=Lowering.CONV,
    reference=_weight_grad,
    vjp=_weight_grad_vjp,
    saves=(0, 1),
    reads=((1,), (0,)),
    flops=lambda x, g, **attrs: CONV_WEIGHT_GRAD.flops(
        _first("conv", x), _first("conv", g), **attrs
    ),
    bytes=lambda x, g, **attrs: CONV_WEIGHT_GRAD.bytes(
        _first("conv", x), _first("conv", g), **attrs
    ),
    dtypes=dtypes.FLOATS,
)
