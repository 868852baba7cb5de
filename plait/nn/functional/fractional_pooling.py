"""Maximum pooling with windows at pseudo-random places (Graham 2014, arXiv:1412.6071)."""

from __future__ import annotations

from typing import Any

from plait._functions.creation import arange
from plait._functions.gathering import gather
from plait._functions.joining import cat
from plait._functions.random import rand
from plait._functions.reduction import max as maximum
from plait._tensor import Tensor
from plait.core.ir import dtypes
from plait.core.ir.errors import error
from plait.core.ops.elementwise import cast


def _tuple(value: Any, rank: int) -> tuple[Any, ...]:
    return tuple(value) if hasattr(value, "__iter__") else (value,) * rank


def _starts(samples: Tensor, extent: int, size: int, width: int) -> Tensor:
    """The places of `size` windows of `width` in `extent`, per element of `samples` in [0, 1)."""
    last = (samples * 0 + (extent - width))[..., None]
    if size == 1:
        return cast(last, dtypes.int64)
    alpha = (extent - width) / (size - 1)
    number = arange(size - 1, dtype=samples.dtype)
    column = samples[..., None]
    # Truncated apart, as in PyTorch: both are non-negative.
    first = cast((number + column) * alpha, dtypes.int64) - cast(column * alpha, dtypes.int64)
    return cat([first, cast(last, dtypes.int64)], -1)


def _pooled(
    name: str, rank: int, input: Tensor, kernel: Any, output_size: Any, ratio: Any, samples: Any
) -> tuple[Tensor, Tensor]:
    if output_size is None and ratio is None:
        raise error(
            ValueError, f"{name} requires specifying either an output_size or an output_ratio"
        )
    if input.ndim not in (rank + 1, rank + 2):
        raise error(
            RuntimeError,
            f"{name}: Expected {rank + 1}D or {rank + 2}D tensor, but got: {list(input.shape)}",
        )
    x = input if input.ndim == rank + 2 else input[None]
    batch, channels, *extents = x.shape
    if output_size is None:
        sizes = tuple([int(n * r) for n, r in zip(extents, _tuple(ratio, rank))])
    else:
        sizes = _tuple(output_size, rank)
    widths = _tuple(kernel, rank)
    for extent, size, width in zip(extents, sizes, widths):
        # PyTorch wants one place to spare in three dimensions.
        if size < 1 or size + width - 1 > extent - (rank == 3):
            raise error(
                RuntimeError,
                f"{name}(): a window of {width} is too large for {size} of them in an extent of "
                f"{extent} (input of shape {list(input.shape)})",
            )
    if samples is None:
        samples = rand(batch, channels, rank, dtype=input.dtype)
    samples = samples[:batch]  # those of more samples than there are go unread
    # PyTorch's samples of two axes begin with that of the last axis.
    order = (1, 0) if rank == 2 else range(rank)
    flat: Any = 0
    for axis, (extent, size, width) in enumerate(zip(extents, sizes, widths)):
        starts = _starts(samples[..., order[axis]], extent, size, width)
        places = starts[..., None] + arange(width)
        shape = [batch, channels, *[1] * (2 * rank)]
        shape[2 + axis], shape[2 + rank + axis] = size, width
        flat = flat * extent + places.reshape(shape)
    windows = flat.reshape(batch, channels, *sizes, -1)
    plane = x.reshape(batch, channels, -1)
    taken = gather(plane, 2, windows.reshape(batch, channels, -1)).reshape(windows.shape)
    values, which = maximum(taken, -1)
    places = gather(windows, -1, which[..., None])[..., 0]
    return (values, places) if input.ndim == rank + 2 else (values[0], places[0])


def fractional_max_pool2d_with_indices(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """`fractional_max_pool2d` with `return_indices`."""
    name = "fractional_max_pool2d"
    return _pooled(name, 2, input, kernel_size, output_size, output_ratio, _random_samples)


def fractional_max_pool3d_with_indices(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """`fractional_max_pool3d` with `return_indices`."""
    name = "fractional_max_pool3d"
    return _pooled(name, 3, input, kernel_size, output_size, output_ratio, _random_samples)


def fractional_max_pool2d(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """The maxima of windows of `kernel_size` whose places are drawn per sample and channel.

    input: (N, C, H, W) or (C, H, W). The result has `output_size`, or its extents are those of the
    input times `output_ratio`. return_indices: also the places in the flat (H, W).
    """
    found = fractional_max_pool2d_with_indices(
        input, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )
    return found if return_indices else found[0]


def fractional_max_pool3d(
    input: Tensor,
    kernel_size: Any,
    output_size: Any = None,
    output_ratio: Any = None,
    return_indices: bool = False,
    _random_samples: Tensor | None = None,
) -> Any:
    """`fractional_max_pool2d` over three axes: input (N, C, T, H, W) or (C, T, H, W)."""
    found = fractional_max_pool3d_with_indices(
        input, kernel_size, output_size, output_ratio, return_indices, _random_samples
    )
    return found if return_indices else found[0]
