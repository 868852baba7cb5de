"""Normalisations: layer, root-mean-square, batch (training) and group.

Statistics are taken over some axes in at least float32; the affine part (`w`, then `b`) is optional
and comes as further operands. Sources: Ba et al., *Layer Normalization* (arXiv:1607.06450);
Ioffe & Szegedy, *Batch Normalization* (arXiv:1502.03167); Wu & He, *Group Normalization*
(arXiv:1803.08494); Zhang & Sennrich, *Root Mean Square Layer Normalization* (arXiv:1910.07467).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.core.ir.errors import ShapeError
from plait.core.ir.op import Lowering, Op, elements
from plait.core.ops.elementwise import ADD, MUL, SUB, cast
from plait.core.ops.families import (
    REAL,
    contiguous,
    reduced_shape,
    require_kind,
    require_same_dtype,
)
from plait.core.ops.families import test_dtypes as dtypes_of_kinds
from plait.core.ops.math import RSQRT, scaled
from plait.core.ops.reduce import MEAN, SUM, count_of
from plait.core.ops.rows import (
    centred,
    minus,
    plus_number,
    row_sum,
    spread,
    times,
    wide_of,
    widen,
)
from plait.core.ops.view import reshape, sum_to


def _require_affine(name: str, x: Any, affine: tuple[Any, ...], shape: Any, most: int) -> None:
    require_kind(name, x.dtype, REAL)
    require_same_dtype(name, x, *affine)
    if len(affine) > most or any(part.shape != shape for part in affine):
        received = ", ".join(str(list(part.shape)) for part in affine)
        raise ShapeError(
            f"{name}: expected at most {most} affine operands of shape {list(shape)} for an input "
            f"of shape {list(x.shape)}, received {received}"
        )


def _flops(x: Any, *affine: Any, **attrs: Any) -> int:
    return 8 * elements(x.shape)


def _normalised_gradient(g: Any, rest: Any, rstd: Any, axes: tuple[int, ...]) -> Any:
    """d/dx of (x - mean(x)) * rstd(x), for a gradient `g` of the normalised values."""
    # rstd (g - mean g - xhat mean(g xhat))
    xhat = times(rest, rstd)
    inner = SUB(minus(g, MEAN(g, axes=axes)), times(xhat, MEAN(MUL(g, xhat), axes=axes)))
    return times(inner, rstd)


# -- layer norm -------------------------------------------------------------------------------


def _trailing(name: str, x: Any, axes: tuple[int, ...]) -> tuple[int, ...]:
    """The normalised shape; the axes must be the last ones."""
    rank = len(x.shape)
    reduced_shape(name, x.shape, axes)
    if axes != tuple(range(rank - len(axes), rank)):
        raise ShapeError(f"{name}: axes {axes} are not the last axes of shape {list(x.shape)}")
    return x.shape[rank - len(axes) :]


def _infer_layer_norm(x: Any, *affine: Any, axes: tuple[int, ...], eps: float) -> tuple[Any, Any]:
    """(x - mean) / sqrt(var + eps) over the last axes, then * w + b of their shape."""
    shape = _trailing("layer_norm", x, axes)
    _require_affine("layer_norm", x, affine, shape, 2)
    return x.shape, x.dtype


def _affine(y: Any, affine: tuple[Any, ...]) -> Any:
    if affine:
        y = times(y, widen(affine[0]))
    if len(affine) > 1:
        y = ADD(y, spread(widen(affine[1]), y))
    return y


def _layer_norm_body(x: Any, *affine: Any, axes: tuple[int, ...], eps: float) -> Any:
    rest, _, var = centred(widen(x), axes)
    y = times(rest, RSQRT(plus_number(var, eps)))
    return cast(_affine(y, affine), x.dtype)


def _scaled_and_shifted(y: np.ndarray, affine: tuple[np.ndarray, ...]) -> np.ndarray:
    if affine:
        y *= affine[0]
    if len(affine) > 1:
        y += affine[1]
    return y


def _standardised(
    x: np.ndarray, axes: tuple[int, ...], eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(normalised values, mean, biased variance)."""
    x = contiguous(x)
    mean = x.mean(axes, keepdims=True)
    rest = x - mean
    var = (rest * rest).mean(axes, keepdims=True)
    rest *= 1 / np.sqrt(var + x.dtype.type(eps))
    return rest, mean, var


def _layer_norm(
    x: np.ndarray, *affine: np.ndarray, axes: tuple[int, ...], eps: float
) -> np.ndarray:
    return _scaled_and_shifted(_standardised(x, axes, eps)[0], affine)


def _affine_gradients(g: Any, xhat: Any, x: Any, affine: tuple[Any, ...]) -> tuple[Any, ...]:
    """Gradients of `w` and `b`, of those that are there, whose shape is that of the last axes."""
    grads = []
    if affine:
        grads.append(cast(sum_to(MUL(g, xhat), affine[0].shape), x.dtype))
    if len(affine) > 1:
        grads.append(cast(sum_to(g, affine[1].shape), x.dtype))
    return tuple(grads)


def _layer_norm_vjp(
    g: Any, y: Any, x: Any, *affine: Any, axes: tuple[int, ...], eps: float
) -> tuple[Any, ...]:
    g = widen(g)
    rest, _, var = centred(widen(x), axes)
    rstd = RSQRT(plus_number(var, eps))
    inner = times(g, widen(affine[0])) if affine else g
    grad = _normalised_gradient(inner, rest, rstd, axes)
    return cast(grad, x.dtype), *_affine_gradients(g, times(rest, rstd), x, affine)


LAYER_NORM = Op(
    "layer_norm",
    infer=_infer_layer_norm,
    lowering=Lowering.ROWWISE,
    reference=_layer_norm,
    body=_layer_norm_body,
    vjp=_layer_norm_vjp,
    saves=(0, 1),
    flops=_flops,
    dtypes=dtypes_of_kinds(REAL),
)

# -- rms norm ---------------------------------------------------------------------------------


def _infer_rms_norm(x: Any, *affine: Any, axes: tuple[int, ...], eps: float) -> tuple[Any, Any]:
    """x / sqrt(mean(x^2) + eps) over the last axes, then * w of their shape."""
    shape = _trailing("rms_norm", x, axes)
    _require_affine("rms_norm", x, affine, shape, 1)
    return x.shape, x.dtype


def _rms_rstd(x: Any, axes: tuple[int, ...], eps: float) -> Any:
    return RSQRT(plus_number(MEAN(MUL(x, x), axes=axes), eps))


def _rms_norm_body(x: Any, *affine: Any, axes: tuple[int, ...], eps: float) -> Any:
    wide = widen(x)
    return cast(_affine(times(wide, _rms_rstd(wide, axes, eps)), affine), x.dtype)


def _rms_norm(x: np.ndarray, *affine: np.ndarray, axes: tuple[int, ...], eps: float) -> np.ndarray:
    x = contiguous(x)
    square = (x * x).mean(axes, keepdims=True)
    return _scaled_and_shifted(x * (1 / np.sqrt(square + x.dtype.type(eps))), affine)


def _rms_norm_vjp(
    g: Any, y: Any, x: Any, *affine: Any, axes: tuple[int, ...], eps: float
) -> tuple[Any, ...]:
    # r (g - xhat mean(g xhat))
    g, wide = widen(g), widen(x)
    rstd = _rms_rstd(wide, axes, eps)
    xhat = times(wide, rstd)
    inner = times(g, widen(affine[0])) if affine else g
    projected = times(xhat, MEAN(MUL(inner, xhat), axes=axes))
    grad = times(SUB(inner, projected), rstd)
    return cast(grad, x.dtype), *_affine_gradients(g, xhat, x, affine)


RMS_NORM = Op(
    "rms_norm",
    infer=_infer_rms_norm,
    lowering=Lowering.ROWWISE,
    reference=_rms_norm,
    body=_rms_norm_body,
    vjp=_rms_norm_vjp,
    saves=(0, 1),
    flops=_flops,
    dtypes=dtypes_of_kinds(REAL),
)

# -- batch norm -------------------------------------------------------------------------------


def _channel_axes(x: Any) -> tuple[int, ...]:
    """All axes but the channels'."""
    return (0, *range(2, len(x.shape)))


def _per_channel(part: Any, rank: int) -> Any:
    """(C,) as (1, C, 1, ...)."""
    return reshape(part, (1, part.shape[0], *[1] * (rank - 2)))


def _infer_batch_norm(x: Any, *affine: Any, eps: float) -> tuple[Any, Any]:
    """Batch norm in training: (y, mean, biased variance) over all axes of (N, C, ...) but C.

    y = (x - mean) / sqrt(var + eps), * w + b per channel where they are given. The statistics have
    shape (C,), and float32 for 16-bit inputs.
    """
    if len(x.shape) < 2:
        raise ShapeError(f"batch_norm: expected (N, C, ...), received shape {list(x.shape)}")
    channels = (x.shape[1],)
    _require_affine("batch_norm", x, affine, channels, 2)
    wide = wide_of(x.dtype)
    return (x.shape, channels, channels), (x.dtype, wide, wide)


def _affine_per_channel(y: Any, affine: tuple[Any, ...], rank: int) -> Any:
    return _affine(y, tuple([_per_channel(part, rank) for part in affine]))


def _batch_norm_body(x: Any, *affine: Any, eps: float) -> tuple[Any, Any, Any]:
    rest, mean, var = centred(widen(x), _channel_axes(x))
    y = times(rest, RSQRT(plus_number(var, eps)))
    y = _affine_per_channel(y, affine, len(x.shape))
    channels = (x.shape[1],)
    return cast(y, x.dtype), reshape(mean, channels), reshape(var, channels)


def _batch_norm(x: np.ndarray, *affine: np.ndarray, eps: float) -> tuple[np.ndarray, ...]:
    y, mean, var = _standardised(x, _channel_axes(x), eps)
    parts = tuple(part.reshape(mean.shape) for part in affine)
    return _scaled_and_shifted(y, parts), mean.reshape(-1), var.reshape(-1)


def _batch_norm_vjp(g: Any, y: Any, x: Any, *affine: Any, eps: float) -> tuple[Any, ...]:
    """dx = a g + b (x - mean) + c, with a, b, c per channel.

    The gradients of the mean and the variance, mostly zero, enter b and c: they cost no pass.
    """
    g_y, g_mean, g_var = g
    rank, axes = len(x.shape), _channel_axes(x)
    count = count_of(x, axes)
    g_y = widen(g_y)
    rest, _, var = centred(widen(x), axes)
    rstd = RSQRT(plus_number(var, eps))
    total = SUM(g_y, axes=axes)
    slope = MUL(row_sum(g_y, rest, axes), rstd)  # the gradient of w
    a = MUL(rstd, _per_channel(widen(affine[0]), rank)) if affine else rstd
    share = 1 / count if count else 0.0
    b = SUB(scaled(_per_channel(g_var, rank), 2 * share), scaled(MUL(MUL(a, rstd), slope), share))
    c = scaled(SUB(_per_channel(g_mean, rank), MUL(a, total)), share)
    grad = ADD(ADD(times(g_y, a), times(rest, b)), spread(c, x))
    parts = tuple(
        [cast(reshape(part, (x.shape[1],)), x.dtype) for part in (slope, total)[: len(affine)]]
    )
    return cast(grad, x.dtype), *parts


BATCH_NORM = Op(
    "batch_norm",
    infer=_infer_batch_norm,
    lowering=Lowering.ROWWISE,
    reference=_batch_norm,
    body=_batch_norm_body,
    vjp=_batch_norm_vjp,
    saves=(0, 1),
    flops=_flops,
    outputs=3,
    dtypes=dtypes_of_kinds(REAL),
)

# -- group norm -------------------------------------------------------------------------------


def _infer_group_norm(x: Any, *affine: Any, groups: int, eps: float) -> tuple[Any, Any]:
    """Normalise (N, C, ...) over each of `groups` groups of channels, then * w + b per channel."""
    if len(x.shape) < 2 or groups < 1 or x.shape[1] % groups:
        raise ShapeError(
            f"group_norm: expected (N, C, ...) with C divisible by {groups} groups, received shape "
            f"{list(x.shape)}"
        )
    _require_affine("group_norm", x, affine, (x.shape[1],), 2)
    return x.shape, x.dtype


def _grouped(shape: tuple[int, ...], groups: int) -> tuple[int, int, int]:
    """(N, groups, elements of a group)."""
    return shape[0], groups, shape[1] // groups * elements(shape[2:])


def _group_norm_body(x: Any, *affine: Any, groups: int, eps: float) -> Any:
    rest, _, var = centred(reshape(widen(x), _grouped(x.shape, groups)), (2,))
    y = reshape(times(rest, RSQRT(plus_number(var, eps))), x.shape)
    return cast(_affine_per_channel(y, affine, len(x.shape)), x.dtype)


def _group_norm(x: np.ndarray, *affine: np.ndarray, groups: int, eps: float) -> np.ndarray:
    y, _, _ = _standardised(contiguous(x).reshape(_grouped(x.shape, groups)), (2,), eps)
    shape = (x.shape[1], *[1] * (x.ndim - 2))
    parts = tuple(part.reshape(shape) for part in affine)
    return _scaled_and_shifted(y.reshape(x.shape), parts)


def _group_norm_vjp(
    g: Any, y: Any, x: Any, *affine: Any, groups: int, eps: float
) -> tuple[Any, ...]:
    rank, axes = len(x.shape), _channel_axes(x)
    grouped = _grouped(x.shape, groups)
    g = widen(g)
    rest, _, var = centred(reshape(widen(x), grouped), (2,))
    rstd = RSQRT(plus_number(var, eps))
    inner = times(g, _per_channel(widen(affine[0]), rank)) if affine else g
    grad = _normalised_gradient(reshape(inner, grouped), rest, rstd, (2,))
    grads = [cast(reshape(grad, x.shape), x.dtype)]
    if affine:
        xhat = reshape(times(rest, rstd), x.shape)
        grads.append(cast(reshape(row_sum(g, xhat, axes), (x.shape[1],)), x.dtype))
    if len(affine) > 1:
        grads.append(cast(reshape(SUM(g, axes=axes), (x.shape[1],)), x.dtype))
    return tuple(grads)


GROUP_NORM = Op(
    "group_norm",
    infer=_infer_group_norm,
    lowering=Lowering.ROWWISE,
    reference=_group_norm,
    body=_group_norm_body,
    vjp=_group_norm_vjp,
    saves=(0, 1),
    flops=_flops,
    dtypes=dtypes_of_kinds(REAL),
)
