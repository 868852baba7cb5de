"""Counts of values in bins: of one line of values, and of points in several dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from plait import return_types
from plait._functions.common import public
from plait._functions.creation import linspace, owned
from plait._tensor import Tensor
from plait.core.ir.errors import error


def _limits(name: str, values: np.ndarray, given: Any) -> tuple[float, float]:
    """The outer edges of equal bins: those given, or the extremes of the values."""
    if given is not None:
        low, high = (float(x) for x in given)
        if low > high:
            raise error(
                RuntimeError, f"{name}: min should not exceed max, but got min {low} max {high}"
            )
    elif values.size:
        low, high = float(values.min()), float(values.max())
    else:
        low, high = 0.0, 1.0
    if not (math.isfinite(low) and math.isfinite(high)):
        raise error(RuntimeError, f"{name}: dimension range [{low}, {high}] is not finite")
    return (low - 0.5, high + 0.5) if low == high else (low, high)


def _edges(name: str, values: np.ndarray, bins: Any, limits: Any, like: Tensor) -> Tensor:
    if isinstance(bins, Tensor):
        if bins.ndim != 1 or not bins.numel():
            raise error(
                RuntimeError,
                f"{name}: bins tensor should have one dimension and elements, but got shape "
                f"{list(bins.shape)}",
            )
        if bins.dtype is not like.dtype:
            raise error(
                RuntimeError, f"{name}: input tensor and bins tensors should have the same dtype"
            )
        return bins.detach()
    if bins <= 0:
        raise error(RuntimeError, f"{name}(): bins must be > 0, but got {bins}")
    low, high = _limits(name, values, limits)
    return linspace(low, high, bins + 1, dtype=like.dtype)


def _counted(
    name: str, input: Tensor, edges: Sequence[Tensor], weight: Tensor | None, density: bool
) -> Tensor:
    """The (weighted) numbers of points (N, D) per cell; the last edge belongs to the last bin."""
    points = input.compute()
    if weight is not None and weight.dtype is not input.dtype:
        raise error(
            RuntimeError, f"{name}: if weight tensor is provided, input tensor and weight tensor "
            "should have the same dtype"
        )  # fmt: skip
    lines = [e.compute() for e in edges]
    shape = tuple([len(line) - 1 for line in lines])
    kept = np.ones(len(points), bool)
    cell = np.zeros(len(points), np.int64)
    for values, line in zip(points.T, lines):
        kept &= (values >= line[0]) & (values <= line[-1])
        place = np.searchsorted(line, values, side="right") - 1
        place[values == line[-1]] = len(line) - 2
        cell = cell * (len(line) - 1) + place
    weights = None if weight is None else weight.compute().reshape(-1)[kept]
    found = np.bincount(cell[kept], weights, math.prod(shape)).reshape(shape).astype(np.float64)
    if density:
        found = found / found.sum()
        for axis, line in enumerate(lines):
            wide = np.diff(line).astype(np.float64)
            found = found / wide.reshape([-1 if i == axis else 1 for i in range(len(shape))])
    return owned(found.astype(input.dtype.numpy))


def _require(name: str, input: Tensor, points: tuple[int, ...], weight: Tensor | None) -> None:
    if input.dtype.kind != "f" or input.dtype.is_half:
        raise error(NotImplementedError, f'"{name}" not implemented for {input.dtype}')
    if weight is not None and tuple(weight.shape) != points:
        raise error(
            RuntimeError,
            f"{name}: if weight tensor is provided it should have the same shape as the input "
            f"tensor excluding its innermost dimension, but got input with shape "
            f"{list(input.shape)} and weight with shape {list(weight.shape)}",
        )


@public
def histogram(
    input: Tensor,
    bins: Any,
    *,
    range: Any = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> Any:
    """(hist, bin_edges): how many values, or what weight of them, lie in each bin.

    bins: the number of equal ones over `range` (default: the extremes), or their edges. density:
    scaled to an integral of 1.
    """
    _require("histogram", input, tuple(input.shape), weight)
    edges = _edges("torch.histogram", input.compute(), bins, range, input)
    flat = input.detach().reshape(-1, 1)
    found = _counted("torch.histogram", flat, [edges], weight, density)
    return return_types.histogram((found, edges))


@public(method=False)
def histogramdd(
    input: Tensor,
    bins: Any,
    range: Any = None,
    weight: Tensor | None = None,
    density: bool = False,
) -> Any:
    """(hist, bin_edges) of points (..., D) in D dimensions; bins: an int or D numbers or edges.

    range: 2 D numbers, the lower and upper ends of the dimensions.
    """
    name = "torch.histogramdd"
    if input.ndim < 2:
        raise error(RuntimeError, f"{name}: input tensor should have at least 2 dimensions")
    _require("histogramdd", input, tuple(input.shape[:-1]), weight)
    dims = input.shape[-1]
    given = [bins] * dims if isinstance(bins, int) else list(bins)
    if len(given) != dims:
        raise error(
            RuntimeError,
            "histogramdd: The size of bins must be equal to the innermost dimension of the input.",
        )
    if range is not None and len(range) != 2 * dims:
        raise error(
            RuntimeError,
            f"{name}: for a {dims}-dimensional histogram range should have {2 * dims} elements, "
            f"but got {len(range)}",
        )
    points = input.detach().reshape(-1, dims)
    columns = points.compute().T
    edges = [
        _edges(name, columns[d], part, None if range is None else range[2 * d : 2 * d + 2], input)
        for d, part in enumerate(given)
    ]
    found = _counted(name, points, edges, weight, density)
    return return_types.histogramdd((found, tuple(edges)))


@public
def hash_tensor(input: Tensor, dim: Any = None, *, keepdim: bool = False, mode: int = 0) -> Tensor:
    """The exclusive or of all elements' bits, along axes or of all: uint64.

    Elements are widened to float64, int64 or uint64 first. mode: only 0.
    """
    if mode != 0:
        raise error(RuntimeError, f"hash_tensor: Unknown hash_tensor mode: {mode}")
    if dim is None and not input.numel():
        raise error(
            RuntimeError,
            "hash_tensor: Expected reduction dim to be specified for input.numel() == 0. Specify "
            "the reduction dim with the 'dim' argument.",
        )
    array = input.compute()
    wide = array.astype(np.float64 if input.dtype.kind == "f" else np.int64)
    axes = tuple(np.arange(wide.ndim)) if dim is None or dim == () else dim
    bits = np.ascontiguousarray(wide).reshape(wide.shape).view(np.uint64)
    axes = (axes,) if isinstance(axes, int) else tuple([int(a) % max(wide.ndim, 1) for a in axes])
    folded = np.bitwise_xor.reduce(bits, axis=axes, keepdims=keepdim) if wide.ndim else bits
    return owned(np.asarray(folded))
