"""Pooling over two spatial axes with the channels last: the forms that kernels work on.

The compiler's layout pass makes these of the ops in `window.py`, with `transpose` around them:

    values, index = max_pool(x)                  values, places = max_pool_nhwc(x)
    pool_scatter(g, index, spatial)              max_pool_nhwc_grad(g, places, spatial, *window)
    pool_gather(t, index, rank=2)                max_pool_nhwc_pick(t, places, *window)
    window_sum(x)                                window_sum_nhwc(x)
    window_sum_grad(g, spatial)                  window_sum_nhwc_grad(g, spatial)

The first three go together: `index`, the position in the plane, may have no other readers than
these, since `places` are numbers of places in the window, row by row, of a narrow type. Window
attributes (window, strides, padding, dilation) are those of the max_pool that made the index. They
agree where every window meets the image (`windows_meet_image`): one that lies in the padding
altogether has a position for max_pool, to which a gradient goes, and no place here.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from plait.core.ir import dtypes
from plait.core.ir.dtypes import DType
from plait.core.ir.errors import DTypeError, ShapeError
from plait.core.ir.op import Lowering, Op, elements
from plait.core.ops.families import NUMBER, require_kind
from plait.core.ops.families import test_dtypes as dtypes_of_kinds
from plait.core.ops.geometry import window_extents
from plait.core.ops.numeric import pool_nhwc as numeric

Ints = tuple[int, ...]


def place_dtype(window: Ints) -> DType:
    """The type of place numbers: uint8 for all windows in use."""
    return dtypes.uint8 if math.prod(window) <= 256 else dtypes.int32


def windows_meet_image(spatial: Ints, attrs: Any) -> bool:
    """Whether every window has a place inside an image of extents `spatial`."""
    extents = window_extents("max_pool", spatial, **attrs)
    for axis, extent in enumerate(spatial):
        step, reach = attrs["dilation"][axis], attrs["window"][axis]
        for number in range(extents[axis]):
            start = number * attrs["strides"][axis] - attrs["padding"][axis][0]
            if not any(0 <= start + place * step < extent for place in range(reach)):
                return False
    return True


def _extents(name: str, x: Any, attrs: Any) -> Ints:
    """The result extents of windows over x (N, H, W, C)."""
    if len(x.shape) != 4:
        raise ShapeError(f"{name}: expected (N, H, W, C), received shape {list(x.shape)}")
    return window_extents(name, x.shape[1:3], **attrs)


def _window_flops(x: Any, *rest: Any, **attrs: Any) -> int:
    extents = _extents("window", x, attrs)
    return x.shape[0] * elements(extents) * x.shape[3] * math.prod(attrs["window"])


def _transposed_flops(g: Any, *rest: Any, window: Ints, **attrs: Any) -> int:
    return elements(g.shape) * math.prod(window)


# -- maxima -----------------------------------------------------------------------------------


def _infer_max_pool(x: Any, **attrs: Any) -> tuple[Any, Any]:
    """(maximum of each window of x (N, H, W, C), its place in the window).

    The first maximum of a window counts, or its last nan; padding takes no part.
    """
    require_kind("max_pool_nhwc", x.dtype, "iuf")
    extents = _extents("max_pool_nhwc", x, attrs)
    if 0 in x.shape[1:3]:
        raise ShapeError(
            f"max_pool_nhwc: expected spatial axes with elements, received shape {list(x.shape)}"
        )
    shape = (x.shape[0], *extents, x.shape[3])
    return (shape, shape), (x.dtype, place_dtype(attrs["window"]))


def _max_pool(x: np.ndarray, **attrs: Any) -> Any:
    extents = _extents("max_pool_nhwc", x, attrs)
    return numeric.max_pool(x, extents, place_dtype(attrs["window"]).numpy, **attrs)


def _require_places(name: str, places: Any, shape: Ints, window: Ints) -> None:
    if places.dtype is not place_dtype(window):
        raise DTypeError(
            f"{name}: places of a window {window} are {place_dtype(window).name}, received "
            f"{places.dtype.name}"
        )
    if places.shape != shape:
        raise ShapeError(
            f"{name}: expected places of shape {list(shape)}, received {list(places.shape)}"
        )


def _infer_max_pool_grad(g: Any, places: Any, *, spatial: Ints, **attrs: Any) -> tuple[Any, Any]:
    """Each g (N, H', W', C) added at the place that its window chose: (N, *spatial, C)."""
    name = "max_pool_nhwc_grad"
    require_kind(name, g.dtype, NUMBER)
    _require_transposed(name, g, spatial, attrs)
    _require_places(name, places, g.shape, attrs["window"])
    return (g.shape[0], *spatial, g.shape[3]), g.dtype


def _infer_max_pool_pick(x: Any, places: Any, **attrs: Any) -> tuple[Any, Any]:
    """The element of x (N, H, W, C) at the place that each window chose; zero in the padding."""
    name = "max_pool_nhwc_pick"
    require_kind(name, x.dtype, NUMBER)
    shape = (x.shape[0], *_extents(name, x, attrs), x.shape[3])
    _require_places(name, places, shape, attrs["window"])
    return shape, x.dtype


def _require_transposed(name: str, g: Any, spatial: Ints, attrs: Any) -> None:
    if len(g.shape) != 4 or g.shape[1:3] != window_extents(name, spatial, **attrs):
        raise ShapeError(
            f"{name}: windows over extents {list(spatial)} do not fit an operand of shape "
            f"{list(g.shape)}"
        )


MAX_POOL_NHWC = Op(
    "max_pool_nhwc",
    infer=_infer_max_pool,
    lowering=Lowering.WINDOW,
    reference=_max_pool,
    vjp=lambda g, y, x, **attrs: MAX_POOL_NHWC_GRAD(g[0], y[1], spatial=x.shape[1:3], **attrs),
    saves=("positions",),
    outputs=2,
    flops=_window_flops,
    dtypes=dtypes_of_kinds("iuf"),
)
MAX_POOL_NHWC_GRAD = Op(
    "max_pool_nhwc_grad",
    infer=_infer_max_pool_grad,
    lowering=Lowering.WINDOW,
    reference=numeric.max_pool_grad,
    vjp=lambda t, y, g, places, *, spatial, **attrs: (
        MAX_POOL_NHWC_PICK(t, places, **attrs),
        None,
    ),
    saves=(1,),
    flops=_transposed_flops,
    dtypes=dtypes_of_kinds("iuf"),
)
MAX_POOL_NHWC_PICK = Op(
    "max_pool_nhwc_pick",
    infer=_infer_max_pool_pick,
    lowering=Lowering.WINDOW,
    reference=numeric.max_pool_pick,
    vjp=lambda t, y, x, places, **attrs: (
        MAX_POOL_NHWC_GRAD(t, places, spatial=x.shape[1:3], **attrs),
        None,
    ),
    saves=(1,),
    flops=_window_flops,
    dtypes=dtypes_of_kinds("iuf"),
)


# -- sums -------------------------------------------------------------------------------------


def _infer_window_sum(x: Any, **attrs: Any) -> tuple[Any, Any]:
    """The sum of each window of x (N, H, W, C); padding adds nothing."""
    require_kind("window_sum_nhwc", x.dtype, NUMBER)
    return (x.shape[0], *_extents("window_sum_nhwc", x, attrs), x.shape[3]), x.dtype


def _window_sum(x: np.ndarray, **attrs: Any) -> np.ndarray:
    return numeric.window_sum(x, _extents("window_sum_nhwc", x, attrs), **attrs)


def _infer_window_sum_grad(g: Any, *, spatial: Ints, **attrs: Any) -> tuple[Any, Any]:
    """The transpose of window_sum_nhwc: each g is added to every element of its window."""
    name = "window_sum_nhwc_grad"
    require_kind(name, g.dtype, NUMBER)
    _require_transposed(name, g, spatial, attrs)
    return (g.shape[0], *spatial, g.shape[3]), g.dtype


WINDOW_SUM_NHWC = Op(
    "window_sum_nhwc",
    infer=_infer_window_sum,
    lowering=Lowering.WINDOW,
    reference=_window_sum,
    vjp=lambda g, y, x, **attrs: WINDOW_SUM_NHWC_GRAD(g, spatial=x.shape[1:3], **attrs),
    flops=_window_flops,
    dtypes=dtypes_of_kinds("iuf"),
)
WINDOW_SUM_NHWC_GRAD = Op(
    "window_sum_nhwc_grad",
    infer=_infer_window_sum_grad,
    lowering=Lowering.WINDOW,
    reference=numeric.window_sum_grad,
    vjp=lambda t, y, g, *, spatial, **attrs: WINDOW_SUM_NHWC(t, **attrs),
    flops=_transposed_flops,
    dtypes=dtypes_of_kinds("iuf"),
)
