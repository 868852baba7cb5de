"""Convolution and its two transposes on NumPy: patches and matrix products of BLAS.

x: (N, C, *spatial), w: (O, C / groups, *kernel), g and the result: (N, O, *extents). Operands are
laid out in row-major order first, so that a result depends on the values alone. The patches of a
whole batch may be many times its size, so samples are taken in parts of bounded memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from plait.core.ops.numeric.patches import fold, inner, pad_spatial, taps, unfold, windows_view

#: Patches are made for as many samples as fit into this many bytes.
PATCH_BYTES = 64 << 20
#: With fewer result places per sample than this, one product over all samples beats one each.
FEW_PLACES = 128


def _parts(samples: int, sample_bytes: int) -> Iterator[slice]:
    step = max(1, PATCH_BYTES // max(1, sample_bytes))
    for start in range(0, samples, step):
        yield slice(start, min(start + step, samples))


def _patch_bytes(x: np.ndarray, channels: int, kernel: Any, places: int) -> int:
    return channels * math.prod(kernel) * places * x.dtype.itemsize


def _is_depthwise(w: np.ndarray, groups: int) -> bool:
    return groups > 1 and w.shape[1] == 1


def conv(
    x: np.ndarray,
    w: np.ndarray,
    extents: Any,
    *,
    strides: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> np.ndarray:
    """The convolution (cross-correlation) of x and w: (N, O, *extents)."""
    x, w = np.ascontiguousarray(x), np.ascontiguousarray(w)
    kernel, places = w.shape[2:], math.prod(extents)
    y = np.empty((x.shape[0], w.shape[0], *extents), x.dtype)
    depthwise = _is_depthwise(w, groups)
    compute = _depthwise_part if depthwise else _conv_part
    taken = 1 if depthwise else math.prod(kernel)
    for part in _parts(x.shape[0], x.shape[1] * taken * places * x.dtype.itemsize):
        compute(x[part], w, y[part], extents, strides, padding, dilation, groups)
    return y


def _conv_part(
    x: np.ndarray,
    w: np.ndarray,
    y: np.ndarray,
    extents: Any,
    strides: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> None:
    samples, outputs, places = x.shape[0], w.shape[0], math.prod(extents)
    depth = math.prod(w.shape[1:])
    weights = w.reshape(groups, outputs // groups, depth)
    if places >= FEW_PLACES or samples == 1:
        columns = unfold(
            x, extents, kernel=w.shape[2:], strides=strides, padding=padding, dilation=dilation
        ).reshape(samples, groups, depth, places)
        np.matmul(weights, columns, out=y.reshape(samples, groups, outputs // groups, places))
        return
    columns = _merged_columns(x, w.shape[2:], extents, strides, padding, dilation, groups)
    product = np.matmul(weights, columns)  # (groups, O / groups, N * places)
    y[...] = product.reshape(outputs, samples, *extents).swapaxes(0, 1)


def _merged_columns(
    x: np.ndarray,
    kernel: Any,
    extents: Any,
    strides: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> np.ndarray:
    """Patches of all samples side by side: (groups, C / groups * prod(kernel), N * places)."""
    view = windows_view(pad_spatial(x, padding), kernel, extents, strides, dilation)
    merged = np.moveaxis(view, 0, 1 + len(kernel))  # (C, *kernel, N, *extents)
    depth = x.shape[1] // groups * math.prod(kernel)
    return np.ascontiguousarray(merged).reshape(groups, depth, x.shape[0] * math.prod(extents))


def _depthwise_part(
    x: np.ndarray,
    w: np.ndarray,
    y: np.ndarray,
    extents: Any,
    strides: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> None:
    """One channel per group: a product would have depth prod(kernel), so taps are added instead."""
    rank = len(extents)
    multiplier = w.shape[0] // groups
    padded = pad_spatial(x, padding)[:, :, None]  # (N, groups, 1, *padded)
    total = y.reshape(x.shape[0], groups, multiplier, *extents)
    total[...] = 0
    product = np.empty_like(total)
    for place, where in taps(w.shape[2:], extents, strides, dilation):
        weight = w[(slice(None), 0, *place)].reshape(groups, multiplier, *[1] * rank)
        np.multiply(padded[where], weight, out=product)
        total += product


def conv_input_grad(
    g: np.ndarray,
    w: np.ndarray,
    *,
    spatial: Any,
    strides: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> np.ndarray:
    """The transpose of `conv` in x, which is transposed convolution: (N, C, *spatial)."""
    g, w = np.ascontiguousarray(g), np.ascontiguousarray(w)
    extents, kernel = g.shape[2:], w.shape[2:]
    channels = w.shape[1] * groups
    result = np.empty((g.shape[0], channels, *spatial), g.dtype)
    window = {
        "spatial": spatial,
        "kernel": kernel,
        "strides": strides,
        "padding": padding,
        "dilation": dilation,
    }
    depthwise = _is_depthwise(w, groups)
    columns_of = _depthwise_grad if depthwise else _patch_grad
    taken = g.shape[1] if depthwise else channels * math.prod(kernel)
    for part in _parts(g.shape[0], taken * math.prod(extents) * g.dtype.itemsize):
        result[part] = columns_of(g[part], w, groups, window)
    return result


def _patch_grad(g: np.ndarray, w: np.ndarray, groups: int, window: dict[str, Any]) -> np.ndarray:
    samples, outputs = g.shape[:2]
    extents = g.shape[2:]
    places = math.prod(extents)
    depth = math.prod(w.shape[1:])
    channels = w.shape[1] * groups
    weights = w.reshape(groups, outputs // groups, depth).swapaxes(1, 2)
    if places >= FEW_PLACES or samples == 1:
        grads = g.reshape(samples, groups, outputs // groups, places)
        columns = np.matmul(weights, grads).reshape(samples, channels, *w.shape[2:], *extents)
    else:
        grads = np.ascontiguousarray(g.swapaxes(0, 1))
        product = np.matmul(weights, grads.reshape(groups, outputs // groups, samples * places))
        merged = product.reshape(channels, *w.shape[2:], samples, *extents)
        columns = np.moveaxis(merged, 1 + len(extents), 0)
    return fold(columns, extents, **window)


def _depthwise_grad(
    g: np.ndarray, w: np.ndarray, groups: int, window: dict[str, Any]
) -> np.ndarray:
    samples, extents = g.shape[0], g.shape[2:]
    rank = len(extents)
    multiplier = w.shape[0] // groups
    spatial, padding = window["spatial"], window["padding"]
    shape = [n + low + high for n, (low, high) in zip(spatial, padding)]
    padded = np.zeros((samples, groups, *shape), g.dtype)
    grads = g.reshape(samples, groups, multiplier, *extents)
    for place, where in taps(w.shape[2:], extents, window["strides"], window["dilation"]):
        weight = w[(slice(None), 0, *place)].reshape(groups, multiplier, *[1] * rank)
        for m in range(multiplier):
            padded[where] += grads[:, :, m] * weight[:, m]
    return padded[inner(spatial, padding)]


def conv_weight_grad(
    x: np.ndarray,
    g: np.ndarray,
    *,
    kernel: Any,
    strides: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> np.ndarray:
    """The transpose of `conv` in w: (O, C / groups, *kernel)."""
    x, g = np.ascontiguousarray(x), np.ascontiguousarray(g)
    outputs, extents = g.shape[1], g.shape[2:]
    depth = x.shape[1] // groups * math.prod(kernel)
    total = np.zeros((groups, outputs // groups, depth), x.dtype)
    for part in _parts(x.shape[0], _patch_bytes(x, x.shape[1], kernel, math.prod(extents))):
        columns = _merged_columns(x[part], kernel, extents, strides, padding, dilation, groups)
        grads = np.ascontiguousarray(g[part].swapaxes(0, 1))
        total += np.matmul(
            grads.reshape(groups, outputs // groups, columns.shape[-1]), columns.swapaxes(1, 2)
        )
    return total.reshape(outputs, x.shape[1] // groups, *kernel)
