"""Windows sliding over trailing axes: pooling, patches, and their transposes.

Padding is given per axis as (low, high); `ceil_mode` is padding at the high end, and
`count_include_pad` a matter of the divisor, both chosen above.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from plait.core.ir import dtypes
from plait.core.ir.errors import DTypeError, ShapeError
from plait.core.ir.op import Lowering, Op, elements
from plait.core.ops.elementwise import ADD
from plait.core.ops.families import ANY, NUMBER, require_kind
from plait.core.ops.families import test_dtypes as dtypes_of_kinds
from plait.core.ops.geometry import Padding, split_spatial, window_extents
from plait.core.ops.index import ADD_AT, TAKE
from plait.core.ops.numeric import patches, pool
from plait.core.ops.source import ARANGE, full
from plait.core.ops.view import BROADCAST, PAD, RESHAPE, SLICE

Ints = tuple[int, ...]


def _pooled(
    name: str, x: Any, window: Ints, strides: Ints, padding: Padding, dilation: Ints
) -> tuple[Ints, Ints]:
    """(leading axes, result extents) of windows over the trailing axes of x."""
    lead, spatial = split_spatial(name, x, len(window))
    return lead, window_extents(name, spatial, window, strides, padding, dilation)


def _window_flops(x: Any, *, window: Ints, strides: Ints, padding: Padding, dilation: Ints) -> int:
    lead, extents = _pooled("window", x, window, strides, padding, dilation)
    return elements(lead) * elements(extents) * math.prod(window)


# -- maxima -----------------------------------------------------------------------------------


def _infer_max_pool(
    x: Any, *, window: Ints, strides: Ints, padding: Padding, dilation: Ints
) -> tuple[Any, Any]:
    """(maximum of each window, its int64 position in the flattened, unpadded plane).

    The first maximum of a window counts, or its last nan; padding is below everything.
    """
    require_kind("max_pool", x.dtype, "iuf")
    lead, extents = _pooled("max_pool", x, window, strides, padding, dilation)
    if any(n == 0 for n in x.shape[len(lead) :]):
        raise ShapeError(
            f"max_pool: expected spatial axes with elements, received shape {list(x.shape)}"
        )
    return ((*lead, *extents), (*lead, *extents)), (x.dtype, dtypes.int64)


def _max_pool(x: np.ndarray, *, window: Any, strides: Any, padding: Any, dilation: Any) -> Any:
    _, extents = _pooled("max_pool", x, window, strides, padding, dilation)
    return pool.max_pool(
        x, extents, window=window, strides=strides, padding=padding, dilation=dilation
    )


def _max_pool_vjp(g: Any, y: Any, x: Any, *, window: Ints, **attrs: Any) -> Any:
    return POOL_SCATTER(g[0], y[1], spatial=x.shape[len(x.shape) - len(window) :])


MAX_POOL = Op(
    "max_pool",
    infer=_infer_max_pool,
    lowering=Lowering.WINDOW,
    reference=_max_pool,
    vjp=_max_pool_vjp,
    saves=("positions",),
    outputs=2,
    flops=_window_flops,
    dtypes=dtypes_of_kinds("iuf"),
)


def _require_indices(name: str, x: Any, indices: Any, rank: int) -> Ints:
    """The leading axes that x and indices share."""
    if indices.dtype is not dtypes.int64:
        raise DTypeError(f"{name}: indices must be int64, received {indices.dtype.name}")
    lead, _ = split_spatial(name, x, rank)
    if len(indices.shape) != len(x.shape) or indices.shape[: len(lead)] != lead:
        raise ShapeError(
            f"{name}: operand of shape {list(x.shape)} and indices of shape {list(indices.shape)} "
            f"must agree in their axes before the last {rank}"
        )
    return lead


def _infer_pool_scatter(g: Any, indices: Any, *, spatial: Ints) -> tuple[Any, Any]:
    """Add each element of g (*lead, *extents) at its position in a plane of zeros `spatial`.

    The positions must lie in the plane: `CHECK_POOL_INDEX` sees to those that a user gives.
    """
    require_kind("pool_scatter", g.dtype, NUMBER)
    lead = _require_indices("pool_scatter", g, indices, len(spatial))
    if g.shape != indices.shape:
        raise ShapeError(
            f"pool_scatter: operand of shape {list(g.shape)} and indices of shape "
            f"{list(indices.shape)} must have one shape"
        )
    return (*lead, *spatial), g.dtype


def _infer_pool_gather(x: Any, indices: Any, *, rank: int) -> tuple[Any, Any]:
    """The elements of the planes of x (*lead, *spatial) at indices (*lead, *extents).

    `rank` spatial axes; the positions are those of the flattened plane and must lie in it.
    """
    require_kind("pool_gather", x.dtype, ANY)
    _require_indices("pool_gather", x, indices, rank)
    return indices.shape, x.dtype


POOL_SCATTER = Op(
    "pool_scatter",
    infer=_infer_pool_scatter,
    lowering=Lowering.SCATTER,
    reference=pool.pool_scatter,
    vjp=lambda t, y, g, indices, *, spatial: (POOL_GATHER(t, indices, rank=len(spatial)), None),
    saves=(1,),
    flops=lambda g, indices, *, spatial: elements(g.shape),
    dtypes=dtypes_of_kinds("iuf"),
)
POOL_GATHER = Op(
    "pool_gather",
    infer=_infer_pool_gather,
    lowering=Lowering.GATHER,
    reference=pool.pool_gather,
    vjp=lambda t, y, x, indices, *, rank: (
        POOL_SCATTER(t, indices, spatial=x.shape[len(x.shape) - rank :]),
        None,
    ),
    saves=(1,),
    flops=lambda x, indices, *, rank: 0,
    moves_only=True,
    dtypes=dtypes.COMMON,
)


def _infer_check_pool_index(indices: Any, *, spatial: Ints) -> tuple[Any, Any]:
    """The same positions, once they are known to lie in a plane of these extents."""
    require_kind("check_pool_index", indices.dtype, "i")
    return indices.shape, indices.dtype


def _check_pool_index(indices: np.ndarray, *, spatial: Ints) -> None:
    if not indices.size:
        return
    low, high = int(indices.min()), int(indices.max())
    if low < 0 or high >= math.prod(spatial):
        wrong = low if low < 0 else high
        raise IndexError(
            f"max_unpool: found an invalid max index: {wrong} (output volumes are of size "
            f"{' x '.join(map(str, spatial))}; indices of shape {list(indices.shape)})"
        )


CHECK_POOL_INDEX = Op(
    "check_pool_index",
    infer=_infer_check_pool_index,
    lowering=Lowering.ELEMENTWISE,
    reference=lambda indices, *, spatial: indices,
    check=_check_pool_index,
    checks=(0,),
    moves_only=True,
    dtypes=(dtypes.int64,),
)


# -- sums -------------------------------------------------------------------------------------


def _infer_window_sum(
    x: Any, *, window: Ints, strides: Ints, padding: Padding, dilation: Ints
) -> tuple[Any, Any]:
    """The sum of each window; padding adds nothing."""
    require_kind("window_sum", x.dtype, NUMBER)
    lead, extents = _pooled("window_sum", x, window, strides, padding, dilation)
    return (*lead, *extents), x.dtype


def _window_sum(x: np.ndarray, *, window: Any, strides: Any, padding: Any, dilation: Any) -> Any:
    _, extents = _pooled("window_sum", x, window, strides, padding, dilation)
    return pool.window_sum(
        x, extents, window=window, strides=strides, padding=padding, dilation=dilation
    )


def _window_sum_vjp(g: Any, y: Any, x: Any, *, window: Ints, **attrs: Any) -> Any:
    spatial = x.shape[len(x.shape) - len(window) :]
    return WINDOW_SUM_GRAD(g, spatial=spatial, window=window, **attrs)


def _infer_window_sum_grad(
    g: Any, *, spatial: Ints, window: Ints, strides: Ints, padding: Padding, dilation: Ints
) -> tuple[Any, Any]:
    """The transpose of window_sum: each g is added to every element of its window."""
    name = "window_sum_grad"
    require_kind(name, g.dtype, NUMBER)
    lead, given = split_spatial(name, g, len(window))
    _require_extents(
        name, g, given, window_extents(name, spatial, window, strides, padding, dilation)
    )
    return (*lead, *spatial), g.dtype


def _require_extents(name: str, g: Any, given: Ints, extents: Ints) -> None:
    if given != extents:
        raise ShapeError(
            f"{name}: these windows have extents {list(extents)}, which an operand of shape "
            f"{list(g.shape)} does not fit"
        )


WINDOW_SUM = Op(
    "window_sum",
    infer=_infer_window_sum,
    lowering=Lowering.WINDOW,
    reference=_window_sum,
    vjp=_window_sum_vjp,
    flops=_window_flops,
    dtypes=dtypes_of_kinds("iuf"),
)
WINDOW_SUM_GRAD = Op(
    "window_sum_grad",
    infer=_infer_window_sum_grad,
    lowering=Lowering.WINDOW,
    reference=pool.window_sum_grad,
    vjp=lambda t, y, g, *, spatial, **attrs: WINDOW_SUM(t, **attrs),
    flops=lambda g, *, window, **attrs: elements(g.shape) * math.prod(window),
    dtypes=dtypes_of_kinds("iuf"),
)


# -- patches ----------------------------------------------------------------------------------


def _infer_unfold(
    x: Any, *, kernel: Ints, strides: Ints, padding: Padding, dilation: Ints
) -> tuple[Any, Any]:
    """Patches of x (N, C, *spatial) as columns: (N, C * prod(kernel), number of places)."""
    require_kind("unfold", x.dtype, NUMBER)
    lead, extents = _pooled("unfold", x, kernel, strides, padding, dilation)
    if len(lead) != 2:
        raise ShapeError(
            f"unfold: a kernel {kernel} takes an input with {len(kernel) + 2} axes, received shape "
            f"{list(x.shape)}"
        )
    return (lead[0], lead[1] * math.prod(kernel), math.prod(extents)), x.dtype


def _unfold(x: np.ndarray, *, kernel: Any, strides: Any, padding: Any, dilation: Any) -> Any:
    _, extents = _pooled("unfold", x, kernel, strides, padding, dilation)
    return patches.unfold(
        x, extents, kernel=kernel, strides=strides, padding=padding, dilation=dilation
    )


def _infer_fold(
    x: Any, *, spatial: Ints, kernel: Ints, strides: Ints, padding: Padding, dilation: Ints
) -> tuple[Any, Any]:
    """The transpose of unfold: columns (N, C * prod(kernel), L) added into (N, C, *spatial)."""
    require_kind("fold", x.dtype, NUMBER)
    extents = window_extents("fold", spatial, kernel, strides, padding, dilation)
    taken = math.prod(kernel)
    if len(x.shape) != 3 or x.shape[1] % taken or x.shape[2] != math.prod(extents):
        raise ShapeError(
            f"fold: a kernel {kernel} over extents {list(spatial)} takes columns of shape "
            f"(N, C * {taken}, {math.prod(extents)}), received {list(x.shape)}"
        )
    return (x.shape[0], x.shape[1] // taken, *spatial), x.dtype


def _fold(x: np.ndarray, *, spatial: Ints, kernel: Ints, **window: Any) -> np.ndarray:
    extents = window_extents("fold", spatial, kernel, **window)
    channels = x.shape[1] // math.prod(kernel)
    columns = x.reshape(x.shape[0], channels, *kernel, *extents)
    return patches.fold(columns, extents, spatial=spatial, kernel=kernel, **window)


def _patch_index(
    spatial: Ints, kernel: Ints, strides: Ints, padding: Padding, dilation: Ints
) -> tuple[Any, Ints]:
    """Where the columns' elements lie in the flattened padded space; its extents.

    int64[prod(kernel) * number of places]
    """
    extents = window_extents("unfold", spatial, kernel, strides, padding, dilation)
    padded = tuple([n + low + high for n, (low, high) in zip(spatial, padding)])
    grid = (*kernel, *extents)
    flat: Any = None
    for axis in range(len(kernel)):
        row = math.prod(padded[axis + 1 :])
        for place, step in ((axis, dilation[axis]), (len(kernel) + axis, strides[axis])):
            line = ARANGE(start=0, step=step * row, size=grid[place], dtype=dtypes.int64)
            ones = [1] * len(grid)
            ones[place] = grid[place]
            part = BROADCAST(RESHAPE(line, shape=tuple(ones)), shape=grid)
            flat = part if flat is None else ADD(flat, part)
    return RESHAPE(flat, shape=(elements(grid),)), padded


def _unfold_body(x: Any, *, kernel: Ints, padding: Padding, **window: Any) -> Any:
    rank, lead = len(kernel), x.shape[:2]
    index, padded = _patch_index(x.shape[2:], kernel, padding=padding, **window)
    low, high = zip((0, 0), (0, 0), *padding)
    wide = PAD(x, low=low, high=high, interior=(0,) * (rank + 2), value=0)
    columns = TAKE(RESHAPE(wide, shape=(*lead, elements(padded))), index, axis=2)
    taken = math.prod(kernel)
    return RESHAPE(columns, shape=(lead[0], lead[1] * taken, index.shape[0] // taken))


def _fold_body(x: Any, *, spatial: Ints, kernel: Ints, padding: Padding, **window: Any) -> Any:
    index, padded = _patch_index(spatial, kernel, padding=padding, **window)
    lead = (x.shape[0], x.shape[1] // math.prod(kernel))
    columns = RESHAPE(x, shape=(*lead, index.shape[0]))
    total = ADD_AT(full(0, (*lead, elements(padded)), x.dtype), index, columns, axis=2)
    starts = (0, 0, *[low for low, _ in padding])
    stops = (*lead, *[low + n for n, (low, _) in zip(spatial, padding)])
    wide = RESHAPE(total, shape=(*lead, *padded))
    return SLICE(wide, starts=starts, stops=stops, steps=(1,) * len(stops))


UNFOLD = Op(
    "unfold",
    infer=_infer_unfold,
    lowering=Lowering.WINDOW,
    reference=_unfold,
    body=_unfold_body,
    vjp=lambda g, y, x, **attrs: FOLD(g, spatial=x.shape[2:], **attrs),
    flops=lambda x, **attrs: 0,
    moves_only=True,
    dtypes=dtypes_of_kinds("iuf"),
)
FOLD = Op(
    "fold",
    infer=_infer_fold,
    lowering=Lowering.WINDOW,
    reference=_fold,
    body=_fold_body,
    vjp=lambda t, y, x, *, spatial, **attrs: UNFOLD(t, **attrs),
    flops=lambda x, **attrs: elements(x.shape),
    dtypes=dtypes_of_kinds("iuf"),
)
