"""Reading and writing by index tensors along an axis."""

from __future__ import annotations

from typing import Any

from plait._functions.common import public
from plait._functions.logic import where
from plait._tensor import Tensor
from plait.core.functional.axes import normal_axis
from plait.core.functional.numbers import fitting_number
from plait.core.ir import dtypes
from plait.core.ir.errors import error
from plait.core.ops import elementwise as prim
from plait.core.ops.bounds import CHECK_RANGE
from plait.core.ops.elementwise import cast
from plait.core.ops.index import ADD_AT, CHECK_INDEX, GATHER, PUT_AT, TAKE
from plait.core.ops.index import scatter as scatter_values
from plait.core.ops.source import full
from plait.core.ops.view import broadcast, reshape


def checked_index(name: str, index: Any, extent: int, axis: int, fault: str = "") -> Any:
    """An index tensor in range, negatives counted from the end. Raises as PyTorch for other dtypes.

    fault: refuse negatives too, with this kind of exception.
    """
    if not isinstance(index, Tensor):
        raise error(
            TypeError, f"{name}(): argument 'index' must be Tensor, not {type(index).__name__}"
        )
    if fault and not index.numel() and index.dtype.kind in "iu":
        return cast(index.detached(), dtypes.int64)  # of any type, as in PyTorch
    if index.dtype not in (dtypes.int64, dtypes.int32):
        raise error(
            RuntimeError, f"{name}(): Expected dtype int64 for index, received {index.dtype}"
        )
    places = index.detached()
    if not fault:
        return CHECK_INDEX(places, size=extent, what=f"dimension {axis}", caller=name)
    message = f"{name}(): index {{value}} is out of bounds for dimension {axis} with size {extent}"
    checked = CHECK_RANGE(places, low=0, high=extent - 1, fault=fault, message=message)
    return cast(checked, dtypes.int64)


@public
def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """out[i][j] = input[index[i][j]][j] for dim 0, and so on."""
    if input.ndim == 0 or index.ndim == 0:
        flat = gather(reshape(input, (input.numel(),)), 0, reshape(index, (index.numel(),)))
        return reshape(flat, index._shape)
    axis = normal_axis(dim, input.ndim, "gather")
    if not index.numel():  # of any type and number of axes, as in PyTorch
        return reshape(reshape(input, (input.numel(),))[:0], index._shape)
    if index.ndim != input.ndim:
        raise error(
            RuntimeError,
            "Index tensor must have the same number of dimensions as input tensor: gather received "
            f"index of shape {list(index._shape)} for input of shape {list(input._shape)}",
        )
    places = checked_index("gather", index, input._shape[axis], axis, "RuntimeError")
    return GATHER(input, places, axis=axis)


@public
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """`gather` with broadcasting of the other axes; of the flat tensor without a dim.

    Indices count modulo the extent of the axis, as they do in PyTorch.
    """
    if dim is None:
        return gather(reshape(input, (input.numel(),)), 0, reshape(indices, (indices.numel(),)))
    from plait.core.functional.broadcasting import broadcast_shapes
    from plait.core.ops.view import broadcast

    axis = normal_axis(dim, input.ndim, "take_along_dim")
    rest = broadcast_shapes(
        "take_along_dim",
        (*input._shape[:axis], 1, *input._shape[axis + 1 :]),
        (*indices._shape[:axis], 1, *indices._shape[axis + 1 :]),
    )
    source = broadcast(input, (*rest[:axis], input._shape[axis], *rest[axis + 1 :]))
    places = broadcast(indices, (*rest[:axis], indices._shape[axis], *rest[axis + 1 :]))
    return gather(source, axis, places % source._shape[axis])


@public
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The positions `index` of one axis."""
    axis = normal_axis(dim, input.ndim, "index_select")
    if index.ndim > 1:
        raise error(
            IndexError,
            "index_select(): Index is supposed to be a vector, received shape "
            f"{list(index._shape)}",
        )
    places = reshape(index, (index.numel(),))
    if input.ndim == 0:
        return reshape(index_select(reshape(input, (1,)), 0, places), ())
    places = checked_index("index_select", places, input._shape[axis], axis, "IndexError")
    return TAKE(input, places, axis=axis)


@public
def take(input: Tensor, index: Tensor) -> Tensor:
    """Elements of the flat tensor."""
    flat = reshape(input, (input.numel(),))
    return TAKE(flat, checked_index("take", index, input.numel(), 0), axis=0)


# -- scatter ----------------------------------------------------------------------------------


def _source(name: str, input: Tensor, index: Tensor, value: Any) -> Any:
    if isinstance(value, Tensor):
        if value.dtype is not input.dtype:
            raise error(
                RuntimeError,
                f"{name}(): Expected self.dtype to be equal to src.dtype, received {input.dtype} "
                "and "
                f"{value.dtype}",
            )
        if value.ndim == 0 and index.ndim:
            raise error(
                RuntimeError,
                f"Index tensor must have the same number of dimensions as src tensor in {name}",
            )
        if value._shape != index._shape:
            if any(v < i for v, i in zip(value._shape, index._shape)):
                raise error(
                    RuntimeError,
                    f"Expected index {list(index._shape)} to be no larger than src "
                    f"{list(value._shape)} in {name}",
                )
            value = value[tuple([slice(0, n) for n in index._shape])]
        return value
    return full(fitting_number(value, input.dtype), index._shape, input.dtype)


def _scatter(name: str, input: Tensor, dim: int, index: Tensor, src: Any, mode: str) -> Tensor:
    axis = normal_axis(dim, input.ndim, name)
    if input.ndim == 0:
        flat = _scatter(
            name,
            reshape(input, (1,)),
            0,
            reshape(index, (1,)),
            reshape(src, (1,)) if isinstance(src, Tensor) else src,
            mode,
        )
        return reshape(flat, ())
    if index.ndim != input.ndim:
        raise error(
            RuntimeError,
            "Index tensor must have the same number of dimensions as self tensor: received index "
            "of "
            f"shape {list(index._shape)} for {list(input._shape)} in {name}",
        )
    places = checked_index(name, index, input._shape[axis], axis, "RuntimeError")
    return scatter_values(input, places, _source(name, input, index, src), axis, mode)


@public(inplace=True)
def scatter(
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Any = None,
    *,
    reduce: str | None = None,
    value: Any = None,
) -> Tensor:
    """A copy with src written where index points to along an axis."""
    modes = {None: "set", "add": "add", "multiply": "mul"}
    if reduce not in modes:
        raise error(
            RuntimeError,
            f"reduce argument must be either add or multiply in scatter, got {reduce!r}",
        )
    return _scatter("scatter", input, dim, index, value if src is None else src, modes[reduce])


@public(inplace=True)
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """A copy with src added where index points to along an axis."""
    return _scatter("scatter_add", input, dim, index, src, "add")


@public(inplace=True)
def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """A copy combined with src where index points to: sum, prod, mean, amax, amin."""
    modes = {"sum": "add", "prod": "mul", "amax": "max", "amin": "min", "mean": "add"}
    if reduce not in modes:
        raise error(
            RuntimeError,
            f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}",
        )
    base = input
    if not include_self:
        neutral = {"add": 0, "mul": 1}.get(modes[reduce])
        if neutral is None:
            limits = _limits(input)
            neutral = limits[0] if reduce == "amax" else limits[1]
        hit = _scatter("scatter_reduce", input, dim, index, neutral, "set")
        base = hit
    result = _scatter("scatter_reduce", base, dim, index, src, modes[reduce])
    if reduce != "mean":
        return result
    start = full(1, input._shape, input.dtype)
    counts: Any = Tensor.of_node(start)
    if not include_self:
        counts = _scatter("scatter_reduce", counts, dim, index, 0, "set")
    counts = _scatter("scatter_reduce", counts, dim, index, 1, "add")
    divisor = prim.MAXIMUM(counts, full(1, input._shape, input.dtype))
    return prim.DIV(result, divisor) if input.dtype.kind == "f" else prim.FLOOR_DIV(result, divisor)


def _limits(input: Tensor) -> tuple[Any, Any]:
    from plait._types import finfo, iinfo

    if input.dtype.kind == "f":
        return float("-inf"), float("inf")
    limits: Any = iinfo(input.dtype) if input.dtype.kind in "iu" else finfo()
    return limits.min, limits.max


@public(inplace=True)
def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
    """A copy with alpha * source added at positions of one axis."""
    if not input._shape:
        return reshape(
            index_add(reshape(input, (1,)), dim, index, _vector(source), alpha=alpha), ()
        )
    axis = normal_axis(dim, input.ndim, "index_add")
    if source.dtype is not input.dtype:
        raise error(
            RuntimeError,
            f"index_add(): self ({input.dtype}) and source ({source.dtype}) must have the same "
            "scalar "
            "type",
        )
    places = checked_index("index_add", index, input._shape[axis], axis, "IndexError")
    _require_source("index_add", input, axis, index, source)
    scaled = source if alpha == 1 else source * alpha
    return ADD_AT(input, places, scaled, axis=axis)


@public(inplace=True)
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """A copy with source written at positions of one axis."""
    if not input._shape:
        return reshape(index_copy(reshape(input, (1,)), dim, index, _vector(source)), ())
    axis = normal_axis(dim, input.ndim, "index_copy")
    places = checked_index("index_copy", index, input._shape[axis], axis, "IndexError")
    _require_source("index_copy", input, axis, index, source)
    return PUT_AT(input, places, cast(source, input.dtype), axis=axis)


@public(inplace=True)
def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """A copy with one value written at positions of one axis."""
    if not input._shape:
        return reshape(index_fill(reshape(input, (1,)), dim, index, value), ())
    axis = normal_axis(dim, input.ndim, "index_fill")
    places = checked_index("index_fill", index, input._shape[axis], axis)
    shape = (*input._shape[:axis], index.numel(), *input._shape[axis + 1 :])
    if isinstance(value, Tensor):
        if value.ndim:
            raise error(
                RuntimeError,
                "index_fill_ only supports a 0-dimensional value tensor, but got tensor with "
                f"{value.ndim} dimension(s).",
            )
        if value.requires_grad:  # a place that is named twice counts once
            named = PUT_AT(*_marks(input._shape[axis], places), axis=0)
            named = reshape(named, (input._shape[axis],) + (1,) * (input.ndim - axis - 1))
            return where(named, cast(value, input.dtype), input)
        filler: Any = broadcast(cast(value, input.dtype), shape)
    else:
        filler = full(fitting_number(value, input.dtype), shape, input.dtype)
    return PUT_AT(input, places, filler, axis=axis)


def _marks(extent: int, places: Tensor) -> tuple[Any, Tensor, Any]:
    """Operands of PUT_AT that mark places of an axis."""
    return full(False, (extent,), dtypes.bool_), places, full(True, places._shape, dtypes.bool_)


def _vector(x: Tensor) -> Tensor:
    return x if x._shape else reshape(x, (1,))


def _require_source(name: str, input: Tensor, axis: int, index: Tensor, source: Tensor) -> None:
    wanted = (*input._shape[:axis], index.numel(), *input._shape[axis + 1 :])
    if source._shape != wanted:
        raise error(
            RuntimeError,
            f"{name}(): Source/destination tensor must have same slice shapes: source has shape "
            f"{list(source._shape)}, expected {list(wanted)}",
        )


@public(inplace=True)
def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """A copy with source written (or added) at positions of the flat tensor."""
    flat = reshape(input, (input.numel(),))
    places = reshape(checked_index("put", index, input.numel(), 0), (index.numel(),))
    values = reshape(source, (source.numel(),))
    op = ADD_AT if accumulate else PUT_AT
    return reshape(op(flat, places, values, axis=0), input._shape)
