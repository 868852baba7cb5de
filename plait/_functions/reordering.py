"""Combinations of elements, reductions into places, finite differences on grids."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from plait._functions.common import public
from plait._functions.creation import as_tensor, owned
from plait._functions.gathering import index_select, scatter_reduce
from plait._functions.joining import cat
from plait._functions.shape import expand, movedim, slice_along
from plait._tensor import Tensor
from plait.core.functional.axes import normal_axes, normal_axis
from plait.core.ir.errors import error

_REDUCTIONS = {"prod": "prod", "mean": "mean", "amax": "amax", "amin": "amin"}


@public(method=False)
def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All choices of r elements of a vector, in order, as rows (count, r)."""
    if input.ndim != 1:
        raise error(RuntimeError, f"Expect a 1D vector, but got shape {list(input.shape)}")
    if r < 0:
        raise error(RuntimeError, f"Expect a non-negative number, but got {r}")
    choose: Any = itertools.combinations_with_replacement if with_replacement else (
        itertools.combinations
    )  # fmt: skip
    places = np.array(list(choose(range(input.numel()), r)), np.int64).reshape(-1, r)
    if r == 0:
        return input[:0]
    return index_select(input, 0, owned(places.reshape(-1))).reshape(places.shape)


@public(inplace=True)
def index_reduce(
    input: Tensor,
    dim: int,
    index: Tensor,
    source: Tensor,
    reduce: str,
    *,
    include_self: bool = True,
) -> Tensor:
    """`input` with slices of `source` reduced into the places of one axis that `index` names."""
    if reduce not in _REDUCTIONS:
        raise error(
            RuntimeError,
            f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got "
            f"{reduce}.",
        )
    if not input.ndim:
        found = index_reduce(
            input.reshape(1), dim, index, source.reshape(1), reduce, include_self=include_self
        )
        return found.reshape(())
    axis = normal_axis(dim, input.ndim, "index_reduce")
    line = [1] * input.ndim
    line[axis] = index.numel()
    places = expand(index.reshape(line), source.shape)
    return scatter_reduce(input, axis, places, source, reduce, include_self=include_self)


@public(method=False)
def gradient(
    input: Tensor, *, spacing: Any = 1, dim: Any = None, edge_order: int = 1
) -> tuple[Tensor, ...]:
    """Central differences along axes, one-sided ones at the edges (of order 1 or 2).

    spacing: the distance of neighbours, for all axes or for each; or tensors of coordinates.
    """
    if edge_order not in (1, 2):
        raise error(RuntimeError, "torch.gradient only supports edge_order=1 and edge_order=2.")
    axes = range(input.ndim) if dim is None else normal_axes(dim, input.ndim, "gradient")
    axes = list(axes)
    spacing = 1 if spacing is None else spacing
    given = list(spacing) if isinstance(spacing, (list, tuple)) else [spacing] * len(axes)
    if len(given) != len(axes):
        raise error(
            RuntimeError,
            f"torch.gradient expected spacing to be unspecified, a scalar, or a list of length "
            f"{len(axes)}, but got {len(given)}",
        )
    found = []
    for axis, space in zip(axes, given):
        if input.shape[axis] < edge_order + 1:
            raise error(
                RuntimeError,
                f"torch.gradient expected each dimension size to be at least edge_order+1, got "
                f"{input.shape[axis]} along axis {axis}",
            )
        moved = movedim(input, axis, 0)
        found.append(movedim(_differences(moved, space, edge_order), 0, axis))
    return tuple(found)


def _differences(x: Tensor, space: Any, order: int) -> Tensor:
    """Differences along axis 0."""
    n = x.shape[0]
    steps: Any = np.full(n - 1, float(space)) if not isinstance(space, Tensor) else None
    if steps is None:
        coordinates = np.asarray(space.detach().numpy(), np.float64)
        steps = (
            np.full(n - 1, float(coordinates)) if coordinates.ndim == 0 else np.diff(coordinates)
        )
    rest = (1,) * (x.ndim - 1)

    def weight(values: Any) -> Tensor:
        values = np.asarray(values, np.float64)
        kind = x.dtype.numpy if x.dtype.kind in "fc" else np.float32
        return as_tensor(values.astype(kind)).reshape(*values.shape, *rest)

    before, after = steps[:-1], steps[1:]
    low, middle, high = (slice_along(x, 0, i, n - 2 + i, 1) for i in range(3))
    inner = (
        low * weight(-after / (before * (before + after)))
        + middle * weight((after - before) / (before * after))
        + high * weight(before / (after * (before + after)))
    )
    ends = []
    for at, towards, h, g in ((0, 1, steps[0], None), (n - 1, -1, steps[-1], None)):
        if order == 1:
            ends.append((x[at + towards] - x[at])[None] * (towards / h))
            continue
        h, g = (steps[0], steps[1]) if at == 0 else (steps[-1], steps[-2])
        a, b, c = -(2 * h + g) / (h * (h + g)), (h + g) / (h * g), -h / (g * (h + g))
        ends.append((x[at] * a + x[at + towards] * b + x[at + 2 * towards] * c)[None] * towards)
    return cat([ends[0], inner, ends[1]], 0)
