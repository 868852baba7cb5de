"""Reductions: sums, means, extrema, variances, truth."""

from __future__ import annotations

import builtins
from typing import Any

from plait import return_types
from plait._autocast import in_full
from plait._functions import pointwise as pw
from plait._functions.common import public, require_dtype
from plait._promotion import get_default_dtype
from plait._tensor import Tensor
from plait._unbuilt import not_built
from plait.core.functional.axes import normal_axes, normal_axis
from plait.core.functional.norms import root
from plait.core.ir import dtypes
from plait.core.ir.dtypes import DType
from plait.core.ir.errors import error
from plait.core.ir.op import Op
from plait.core.ops import elementwise as prim
from plait.core.ops import reduce as red
from plait.core.ops.elementwise import cast
from plait.core.ops.index import GATHER
from plait.core.ops.math import SQRT
from plait.core.ops.view import broadcast, reshape


def folded(op: Op, input: Any, axes: tuple[int, ...], keepdim: bool) -> Any:
    """A reduction over normal axes; the folded ones go unless `keepdim`."""
    result = op(input, axes=axes)
    return result if keepdim else dropped(result, axes)


def dropped(value: Any, axes: tuple[int, ...]) -> Any:
    """A value without these axes of extent 1."""
    if not axes:
        return value
    return reshape(value, tuple([n for i, n in enumerate(value.shape) if i not in axes]))


def _sum_dtype(name: str, input: Tensor, dtype: Any) -> DType:
    wanted = require_dtype(name, dtype)
    if wanted is not None:
        return wanted
    return dtypes.int64 if input.dtype.kind in "biu" else input.dtype


@public(pure=True)
def sum(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The sum over all elements or over axes; integers and bools sum as int64."""
    axes = normal_axes(dim, input.ndim, "sum")
    wanted = _sum_dtype("sum", input, dtype)
    op = red.ANY if wanted.kind == "b" else red.SUM
    return folded(op, cast(input, wanted), axes, keepdim)


@public
def nansum(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The sum that counts nan as 0."""
    clean = pw.where(pw.isnan(input), 0, input) if input.dtype.kind == "f" else input
    return sum(clean, dim, keepdim, dtype=dtype)


def _require_floating(name: str, dtype: DType) -> None:
    if dtype.kind not in "fc":
        from plait._tensor import scalar_type

        raise error(
            RuntimeError,
            f"{name}(): could not infer output dtype. Input dtype must be either a floating point "
            f"or complex dtype. Got: {scalar_type(dtype)} ({dtype.name}; convert it with .float())",
        )


@public(pure=True)
def mean(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The mean over all elements or over axes; floating dtypes only."""
    wanted = require_dtype("mean", dtype) or input.dtype
    _require_floating("mean", wanted)
    return folded(red.MEAN, cast(input, wanted), normal_axes(dim, input.ndim, "mean"), keepdim)


@public
def nanmean(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The mean of the elements that are not nan."""
    _require_floating("nanmean", input.dtype)
    _require_floating("nanmean", require_dtype("nanmean", dtype) or input.dtype)
    count = sum(pw.logical_not(pw.isnan(input)), dim, keepdim)
    return pw.div(nansum(input, dim, keepdim, dtype=dtype), count)


@public
def prod(input: Tensor, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """The product over all elements or one axis."""
    input = in_full(input)
    axes = normal_axes(dim, input.ndim, "prod")
    wanted = _sum_dtype("prod", input, dtype)
    op = red.ALL if wanted.kind == "b" else red.PROD
    return folded(op, cast(input, wanted), axes, keepdim)


# -- extrema ----------------------------------------------------------------------------------


def _require_elements(
    name: str, input: Tensor, axes: tuple[int, ...], kind: type[Exception] = IndexError
) -> None:
    """Raise an error of this kind where an axis to fold has no elements."""
    if 0 in [input._shape[axis] for axis in axes]:
        raise error(
            kind,
            f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the "
            f"reduction dim with the 'dim' argument (shape {list(input._shape)}).",
        )


def _amax(name: str, op: Op) -> Any:
    def extremum(input: Tensor, dim: Any = (), keepdim: bool = False) -> Tensor:
        axes = normal_axes(dim, input.ndim, name)
        whole = dim is None or dim == ()
        _require_elements(name, input, axes, RuntimeError if whole else IndexError)
        return folded(op, input, axes, keepdim)

    extremum.__name__ = name
    extremum.__doc__ = "The extremum over axes; equal elements share the gradient."
    return public(extremum)


amax = _amax("amax", red.MAX)
amin = _amax("amin", red.MIN)


def _with_index(input: Tensor, op: Op, dim: Any, keepdim: bool, name: str) -> tuple[Any, Any]:
    """Values and positions of the extrema along one axis; the gradient goes to that position."""
    axis = normal_axis(dim, input.ndim, name)
    if not input._shape:
        from plait._functions.creation import zeros

        return input.clone(), zeros((), dtype=dtypes.int64)
    _require_elements(name, input, (axis,))
    index = op(input, axis=axis)
    values = GATHER(input, index, axis=axis)
    if keepdim:
        return values, index
    return dropped(values, (axis,)), dropped(index, (axis,))


def _extremum(name: str, whole: Op, evenly: Op, arg: Op, pairwise: Any, kind: Any) -> Any:
    def extremum(input: Tensor, *args: Any, **kwargs: Any) -> Any:
        second = args[0] if args else kwargs.get("other")
        if isinstance(second, Tensor):
            return pairwise(input, second)
        dim = kwargs.get("dim", second)
        if dim is None:
            axes = tuple(range(input.ndim))
            _require_elements(name, input, axes, RuntimeError)
            op = evenly if input.dtype.kind == "f" else whole
            return folded(op, input, axes, False)
        keepdim = kwargs.get("keepdim", args[1] if len(args) > 1 else False)
        return kind(_with_index(input, arg, dim, keepdim, name))

    extremum.__name__ = name
    extremum.__doc__ = (
        f"{name}(input): over all elements; {name}(input, dim): values and indices along an axis; "
        f"{name}(input, other): elementwise."
    )
    return public(extremum)


max = _extremum("max", red.MAX, red.MAX_EVENLY, red.ARGMAX, pw.maximum, return_types.max)
min = _extremum("min", red.MIN, red.MIN_EVENLY, red.ARGMIN, pw.minimum, return_types.min)


def _arg(name: str, op: Op) -> Any:
    def position(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
        if input.dtype.kind == "b":
            raise error(RuntimeError, f"{name}(): does not support bool input")
        if dim is None:
            flat = reshape(input, (input.numel(),))
            _require_elements(name, flat, (0,))
            found = op(flat, axis=0)
            return reshape(found, (1,) * input.ndim if keepdim else ())
        axis = normal_axis(dim, input.ndim, name)
        if not input._shape:
            return reshape(op(reshape(input, (1,)), axis=0), ())
        _require_elements(name, input, (axis,))
        found = op(input, axis=axis)
        return found if keepdim else dropped(found, (axis,))

    position.__name__ = name
    position.__doc__ = "The position of the first extremum, of all elements or along an axis."
    return public(position)


argmax = _arg("argmax", red.ARGMAX)
argmin = _arg("argmin", red.ARGMIN)


@public
def aminmax(input: Tensor, *, dim: Any = None, keepdim: bool = False) -> Any:
    """The smallest and the largest element."""
    axes = () if dim is None else (dim,)
    return return_types.aminmax((amin(input, axes, keepdim), amax(input, axes, keepdim)))


# -- truth ------------------------------------------------------------------------------------


def _truth(name: str, op: Op) -> Any:
    def test(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
        if isinstance(dim, (tuple, list)) and not dim:
            # No axes at all: every element on its own, unlike in sums.
            axes: tuple[int, ...] = ()
        else:
            axes = normal_axes(dim, input.ndim, name)
        truth = input if input.dtype.kind == "b" else pw.ne(input, 0)
        result = folded(op, truth, axes, keepdim)
        return cast(result, dtypes.uint8) if input.dtype is dtypes.uint8 else result

    test.__name__ = name
    test.__doc__ = f"Whether {name} elements are true, over all of them or over axes."
    return public(test)


all = _truth("all", red.ALL)
any = _truth("any", red.ANY)


@public
def count_nonzero(input: Tensor, dim: Any = None) -> Tensor:
    """How many elements are not 0."""
    return sum(pw.ne(input, 0), dim)


# -- variance ---------------------------------------------------------------------------------


def _variance(
    name: str, input: Tensor, dim: Any, correction: float, keepdim: bool
) -> tuple[Any, Any]:
    """(variance, mean) by the two-pass formula; of 16-bit floats in float32, as float16
    holds neither sums of many squares nor large counts."""
    if input.dtype.kind not in "fc":
        raise error(RuntimeError, f"{name} only support floating point and complex dtypes")
    axes = normal_axes(dim, input.ndim, name)
    value: Any = cast(input, dtypes.float32) if input.dtype.is_half else input
    center = red.MEAN(value, axes=axes)
    deviation = prim.SUB(value, broadcast(center, input._shape))
    squares = red.SUM(_size_squared(deviation), axes=axes)
    count = red.count_of(input, axes)
    # No degrees of freedom left: 0 / 0, as in PyTorch.
    result = pw.div(squares, float(builtins.max(count - correction, 0)))
    if keepdim:
        return result, center
    return dropped(result, axes), dropped(center, axes)


def _size_squared(x: Any) -> Any:
    """x^2, of complex numbers the square of their size."""
    if not x.dtype.is_complex:
        return prim.MUL(x, x)
    return cast(prim.MUL(x, pw.conjugate(x)), dtypes.real_of(x.dtype))


def _correction(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, float, bool]:
    """(dim, correction, keepdim) from the several forms PyTorch takes."""
    unknown = kwargs.keys() - {"dim", "unbiased", "correction", "keepdim"}
    if unknown or len(args) > 3:
        raise error(
            TypeError,
            f"variance received an invalid combination of arguments: {len(args)} positional, "
            f"keywords {sorted(kwargs)}; expected (input, dim=None, *, correction=1, "
            "keepdim=False) "
            "or (input, dim, unbiased, keepdim)",
        )
    values = list(args)
    unbiased = kwargs.get("unbiased")
    dim = kwargs.get("dim")
    if values and isinstance(values[0], bool):
        unbiased = values.pop(0)
    elif values:
        dim = values.pop(0)
        if values and isinstance(values[0], bool):
            unbiased = values.pop(0)
    keepdim = bool(kwargs.get("keepdim", values[0] if values else False))
    correction = kwargs.get("correction")
    if correction is None:
        correction = 0 if unbiased is False else 1
    return dim, correction, keepdim


@public
def var(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """The variance: var(input, dim=None, *, correction=1, keepdim=False), or with `unbiased`."""
    dim, correction, keepdim = _correction(args, kwargs)
    return _rounded(input, _variance("var", input, dim, correction, keepdim)[0])


@public
def std(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """The standard deviation; arguments as `var`."""
    dim, correction, keepdim = _correction(args, kwargs)
    return _rounded(input, _deviation(_variance("std", input, dim, correction, keepdim)[0]))


@public(method=False)
def var_mean(input: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
    """Variance and mean."""
    dim, correction, keepdim = _correction(args, kwargs)
    variance, center = _variance("var_mean", input, dim, correction, keepdim)
    return _rounded(input, variance), _rounded(input, center)


@public(method=False)
def std_mean(input: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
    """Standard deviation and mean."""
    dim, correction, keepdim = _correction(args, kwargs)
    variance, center = _variance("std_mean", input, dim, correction, keepdim)
    return _rounded(input, _deviation(variance)), _rounded(input, center)


def _rounded(input: Tensor, found: Any) -> Any:
    """What was computed in float32 of 16-bit floats, in their dtype."""
    return cast(found, input.dtype) if input.dtype.is_half else found


def _deviation(variance: Any) -> Any:
    """The square root; equal values have no gradient, where the root's slope is infinite."""
    return root(variance, SQRT)


@public
def logsumexp(input: Tensor, dim: Any, keepdim: bool = False) -> Tensor:
    """log(sum(exp(input))) over axes, without overflow."""
    axes = normal_axes(dim, input.ndim, "logsumexp")
    if input.dtype.is_complex:
        raise not_built(f"torch.logsumexp of {input.dtype}")
    value = input if input.dtype.kind == "f" else cast(input, get_default_dtype())
    if 0 in [value._shape[axis] for axis in axes]:
        # The sum of nothing is 0.
        empty = folded(red.SUM, value, axes, keepdim)
        return pw.log(empty)
    top = red.MAX(value, axes=axes).detached()
    top = pw.where(pw.isinf(top), 0.0, top)
    total = red.SUM(pw.exp(pw.sub(value, top)), axes=axes)
    result = pw.add(pw.log(total), top)
    return result if keepdim else dropped(result, axes)
