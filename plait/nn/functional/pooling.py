"""Pooling: maxima, means, power means, adaptive sizes, and the inverse of max pooling."""

from __future__ import annotations

from typing import Any

from plait._functions.common import takes_out
from plait._tensor import Tensor, scalar_type
from plait.core.functional import pooling
from plait.core.ir import dtypes
from plait.core.ir.errors import error
from plait.core.lazy.replay.function import one_step
from plait.core.ops.bounds import CHECK_RANGE
from plait.core.ops.resize import adaptive_avg_pool, adaptive_max_pool
from plait.core.ops.source import full
from plait.nn.functional._arguments import (
    require_float,
    require_tensor,
    with_batch,
    without_batch,
)

_NUMBER_WORDS = {1: "one int", 2: "two ints", 3: "three ints"}

Ints = tuple[int, ...]


def _sizes(name: str, argument: str, value: Any, rank: int) -> Ints:
    if hasattr(value, "__index__"):
        return (value.__index__(),) * rank
    values = tuple(value)
    if len(values) == 1:
        values *= rank
    if len(values) != rank:
        raise error(
            RuntimeError,
            f"{name}: {argument} must either be a single int, or a tuple of "
            f"{_NUMBER_WORDS[rank]}, but got {values}",
        )
    return tuple([v.__index__() for v in values])


def _require_input(name: str, input: Any, rank: int) -> None:
    require_tensor(name, "input", input, 1)
    if input.ndim not in (rank + 1, rank + 2) or 0 in input.shape[input.ndim - rank - 1 :]:
        raise error(
            RuntimeError,
            f"{name}: Expected {rank + 1}D or {rank + 2}D (batch mode) tensor with optional 0 dim "
            f"batch size for input, but got:{list(input.shape)}",
        )


def _window(
    name: str, rank: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any
) -> tuple[Ints, Ints, Ints, Ints]:
    """The checked parameters of a window."""
    kernel = _sizes(name, "kernel_size", kernel_size, rank)
    unset = stride is None or (not hasattr(stride, "__index__") and len(stride) == 0)
    strides = kernel if unset else _sizes(name, "stride", stride, rank)
    pads = _sizes(name, "padding", padding, rank)
    dilations = _sizes(name, "dilation", dilation, rank)
    if any(s == 0 for s in strides):
        raise error(RuntimeError, f"stride should not be zero ({name}: stride={list(strides)})")
    if any(n < 1 for n in (*kernel, *strides)):
        raise error(
            RuntimeError,
            f"{name}: kernel size and stride should be greater than zero, but got kernel_size="
            f"{list(kernel)} and stride={list(strides)}",
        )
    if any(d < 1 for d in dilations):
        raise error(
            RuntimeError,
            f"dilation should be greater than zero, but got dilation={list(dilations)} in {name}",
        )
    for p, k, d in zip(pads, kernel, dilations):
        if p < 0:
            raise error(RuntimeError, f"pad must be non-negative, but got pad: {p} in {name}")
        if p > ((k - 1) * d + 1) // 2:
            raise error(
                RuntimeError,
                f"pad should be at most half of effective kernel size, but got pad={p}, "
                f"kernel_size={k} and dilation={d} in {name}",
            )
    return kernel, strides, pads, dilations


def _require_room(name: str, x: Any, window: Any, ceil_mode: bool) -> None:
    kernel, strides, padding, dilation = window
    extents = pooling.pooled_extents(
        tuple(x.shape[2:]), kernel, strides, padding, dilation, ceil_mode
    )
    if any(n < 1 for n in extents):
        given = "x".join(map(str, x.shape[1:]))
        made = "x".join(map(str, (x.shape[1], *extents)))
        raise error(
            RuntimeError,
            f"Given input size: ({given}). Calculated output size: ({made}). Output size is too "
            f"small in {name}; the kernel is larger than the padded input",
        )


# -- maxima -----------------------------------------------------------------------------------


def _max_pool(
    rank: int,
    input: Tensor,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    return_indices: bool,
) -> Any:
    name = f"max_pool{rank}d"
    _require_input(name, input, rank)
    window = _window(name, rank, kernel_size, stride, padding, dilation)
    if input.dtype.kind not in "iuf":
        raise error(
            NotImplementedError, f"\"{name}\" not implemented for '{scalar_type(input.dtype)}'"
        )
    x, added = with_batch(input, rank)
    _require_room(name, x, window, ceil_mode)
    values, indices = pooling.max_pool(x, *window, ceil_mode)
    if return_indices:
        return without_batch(values, added), without_batch(indices, added)
    return without_batch(values, added)


def max_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The maximum of each window over (N, C, L) or (C, L); with indices, a pair."""
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@one_step
def max_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The maximum of each window over (N, C, H, W) or (C, H, W); with indices, a pair."""
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The maximum of each window over (N, C, D, H, W) or (C, D, H, W); with indices, a pair."""
    return _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool1d_with_indices(input: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
    """`max_pool1d` with `return_indices`."""
    return max_pool1d(input, *args[:5], **{**kwargs, "return_indices": True})


def max_pool2d_with_indices(input: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
    """`max_pool2d` with `return_indices`."""
    return max_pool2d(input, *args[:5], **{**kwargs, "return_indices": True})


def max_pool3d_with_indices(input: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
    """`max_pool3d` with `return_indices`."""
    return max_pool3d(input, *args[:5], **{**kwargs, "return_indices": True})


def _unpooled_sizes(
    spatial: Ints, kernel: Ints, strides: Ints, padding: Ints, output_size: Any
) -> Ints:
    default = tuple(
        [(n - 1) * s + k - 2 * p for n, k, s, p in zip(spatial, kernel, strides, padding)]
    )
    if output_size is None:
        return default
    rank = len(kernel)
    sizes = tuple(output_size)
    if len(sizes) == rank + 2:
        sizes = sizes[2:]
    if len(sizes) != rank:
        raise error(
            ValueError,
            f"output_size should be a sequence containing {rank} or {rank + 2} elements, but it "
            f"has a length of '{len(sizes)}'",
        )
    for d, (size, middle, s) in enumerate(zip(sizes, default, strides)):
        if not middle - s < size < middle + s:
            raise error(
                ValueError,
                f'invalid output_size "{sizes}" (dim {d} must be between {middle - s} and '
                f"{middle + s})",
            )
    return sizes


def _max_unpool(
    rank: int,
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    output_size: Any,
) -> Tensor:
    name = f"max_unpool{rank}d"
    require_tensor(name, "input", input, 1)
    require_tensor(name, "indices", indices, 2)
    kernel = _sizes(name, "kernel_size", kernel_size, rank)
    strides = kernel if stride is None else _sizes(name, "stride", stride, rank)
    pads = _sizes(name, "padding", padding, rank)
    _require_input(name, input, rank)
    sizes = _unpooled_sizes(
        tuple(input.shape[input.ndim - rank :]), kernel, strides, pads, output_size
    )
    if indices.dtype is not dtypes.int64:
        raise error(
            RuntimeError,
            f"elements in indices should be type int64 but got: {scalar_type(indices.dtype)}",
        )
    if input.shape != indices.shape:
        raise error(
            RuntimeError,
            f"Expected shape of indices to be same as that of the input tensor "
            f"({list(input.shape)}) but got indices tensor with shape: {list(indices.shape)}",
        )
    x, added = with_batch(input, rank)
    plane = 1
    for n in sizes:
        plane *= n
    checked = CHECK_RANGE(
        with_batch(indices, rank)[0],
        low=0,
        high=plane - 1,
        fault="RuntimeError",
        message="Found an invalid max index: {value} (output volumes are of size "
        f"{'x'.join(map(str, sizes))})",
    )
    return without_batch(pooling.max_unpool(x, checked, sizes), added)


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """The maxima put back at the places `max_pool1d` found them, zeros elsewhere."""
    return _max_unpool(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """The maxima put back at the places `max_pool2d` found them, zeros elsewhere."""
    return _max_unpool(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """The maxima put back at the places `max_pool3d` found them, zeros elsewhere."""
    return _max_unpool(3, input, indices, kernel_size, stride, padding, output_size)


# -- means ------------------------------------------------------------------------------------


def _avg_pool(
    rank: int,
    input: Tensor,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Tensor:
    name = f"avg_pool{rank}d"
    _require_input(name, input, rank)
    if divisor_override == 0:
        raise error(RuntimeError, f"divisor must be not zero ({name}: divisor_override=0)")
    window = _window(name, rank, kernel_size, stride, padding, 1)
    if input.dtype.kind not in "if":
        raise error(
            NotImplementedError, f"\"{name}\" not implemented for '{scalar_type(input.dtype)}'"
        )
    x, added = with_batch(input, rank)
    _require_room(name, x, window, ceil_mode)
    made = pooling.avg_pool(x, *window[:3], ceil_mode, count_include_pad, divisor_override)
    return without_batch(made, added)


def avg_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window over (N, C, L) or (C, L)."""
    return _avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


@takes_out
@one_step
def avg_pool2d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window over (N, C, H, W) or (C, H, W), or its sum over a given divisor."""
    return _avg_pool(
        2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


@takes_out
def avg_pool3d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window over (N, C, D, H, W) or (C, D, H, W), or its sum over a divisor."""
    return _avg_pool(
        3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def _lp_pool(
    rank: int, input: Tensor, norm_type: float, kernel_size: Any, stride: Any, ceil_mode: bool
) -> Tensor:
    name = f"lp_pool{rank}d"
    _require_input(name, input, rank)
    require_float(name, input)
    kernel, strides, pads, dilation = _window(name, rank, kernel_size, stride, 0, 1)
    x, added = with_batch(input, rank)
    _require_room(name, x, (kernel, strides, pads, dilation), ceil_mode)
    return without_batch(pooling.lp_pool(x, norm_type, kernel, strides, ceil_mode), added)


def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """The `norm_type`-th root of the sum of that power over each window of the last axis."""
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """The `norm_type`-th root of the sum of that power over each window of the last two axes."""
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """The `norm_type`-th root of the sum of that power over each window of the last three axes."""
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)


# -- adaptive ---------------------------------------------------------------------------------


def _adaptive_sizes(name: str, input: Tensor, output_size: Any, rank: int) -> Ints:
    require_tensor(name, "input", input, 1)
    if hasattr(output_size, "__len__") and input.ndim <= len(output_size):
        raise error(
            ValueError,
            f"Input dimension should be at least {len(output_size) + 1}, got {input.ndim} ({name})",
        )
    if input.ndim not in (rank + 1, rank + 2):
        raise error(
            RuntimeError,
            f"{name}(): Expected {rank + 1}D or {rank + 2}D tensor, but got {list(input.shape)}",
        )
    for d in range(input.ndim - rank, input.ndim):
        if input.shape[d] == 0:
            raise error(
                RuntimeError,
                f"{name}(): Expected input to have non-zero size for non-batch dimensions, but "
                f"input has sizes {list(input.shape)} with dimension {d} being empty",
            )
    if output_size is None or hasattr(output_size, "__index__"):
        output_size = (output_size,)
    given = tuple(output_size)
    if len(given) == 1:
        given *= rank
    if len(given) != rank:
        raise error(RuntimeError, f"{name}: output_size must be {rank}, but got {given}")
    spatial = input.shape[input.ndim - rank :]
    sizes = tuple([n if g is None else g.__index__() for g, n in zip(given, spatial)])
    if any(n < 0 for n in sizes):
        raise error(
            RuntimeError,
            f"{name}: elements of output_size must be greater than or equal to 0 but received "
            f"{{{', '.join(map(str, sizes))}}}",
        )
    return sizes


def _adaptive_avg(rank: int, input: Tensor, output_size: Any) -> Tensor:
    name = f"adaptive_avg_pool{rank}d"
    sizes = _adaptive_sizes(name, input, output_size, rank)
    require_float(name, input)
    x, added = with_batch(input, rank)
    if 0 in sizes:
        made: Any = Tensor.of_node(full(0, (*x.shape[:2], *sizes), x.dtype))
    else:
        made = adaptive_avg_pool(x, sizes)
    return without_batch(made, added)


def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """Means over ranges that divide the last axis in `output_size` parts."""
    return _adaptive_avg(1, input, output_size)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Means over ranges that divide the last two axes; None keeps an axis."""
    return _adaptive_avg(2, input, output_size)


def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """Means over ranges that divide the last three axes; None keeps an axis."""
    return _adaptive_avg(3, input, output_size)


def _adaptive_max(rank: int, input: Tensor, output_size: Any, return_indices: bool) -> Any:
    name = f"adaptive_max_pool{rank}d"
    sizes = _adaptive_sizes(name, input, output_size, rank)
    require_float(name, input)
    x, added = with_batch(input, rank)
    if 0 in sizes:
        shape = (*x.shape[:2], *sizes)
        values: Any = Tensor.of_node(full(0, shape, x.dtype))
        indices: Any = Tensor.of_node(full(0, shape, dtypes.int64))
    else:
        values, indices = adaptive_max_pool(x, sizes)
    values = without_batch(values, added)
    return (values, without_batch(indices, added)) if return_indices else values


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Maxima over ranges that divide the last axis in `output_size` parts."""
    return _adaptive_max(1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Maxima over ranges that divide the last two axes; None keeps an axis."""
    return _adaptive_max(2, input, output_size, return_indices)


def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Maxima over ranges that divide the last three axes; None keeps an axis."""
    return _adaptive_max(3, input, output_size, return_indices)


def adaptive_max_pool1d_with_indices(input: Tensor, output_size: Any) -> tuple[Tensor, Tensor]:
    """`adaptive_max_pool1d` with its indices."""
    return adaptive_max_pool1d(input, output_size, True)


def adaptive_max_pool2d_with_indices(input: Tensor, output_size: Any) -> tuple[Tensor, Tensor]:
    """`adaptive_max_pool2d` with its indices."""
    return adaptive_max_pool2d(input, output_size, True)


def adaptive_max_pool3d_with_indices(input: Tensor, output_size: Any) -> tuple[Tensor, Tensor]:
    """`adaptive_max_pool3d` with its indices."""
    return adaptive_max_pool3d(input, output_size, True)
