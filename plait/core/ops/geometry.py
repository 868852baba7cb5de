"""The shape rule of windows that slide over spatial axes: shared by convolution and pooling."""

from __future__ import annotations

from typing import Any

from plait.core.ir.errors import ShapeError

Padding = tuple[tuple[int, int], ...]


def window_extents(
    name: str,
    spatial: tuple[int, ...],
    window: tuple[int, ...],
    strides: tuple[int, ...],
    padding: Padding,
    dilation: tuple[int, ...],
) -> tuple[int, ...]:
    """How many places a window takes along each spatial axis.

    Raises ShapeError where the parameters do not fit or a window is larger than the padded input.
    """
    if not len(spatial) == len(window) == len(strides) == len(padding) == len(dilation):
        raise ShapeError(
            f"{name}: spatial extents {list(spatial)} need one entry per axis of window {window}, "
            f"strides {strides}, padding {padding} and dilation {dilation}"
        )
    if any(n < 1 for n in (*window, *strides, *dilation)):
        raise ShapeError(
            f"{name}: window {window}, strides {strides} and dilation {dilation} must be positive"
        )
    if any(low < 0 or high < 0 for low, high in padding):
        raise ShapeError(
            f"{name}: negative padding is not supported, received {padding}; slice the input"
        )
    padded = [n + low + high for n, (low, high) in zip(spatial, padding)]
    reach = [(k - 1) * d + 1 for k, d in zip(window, dilation)]
    if any(n < k for n, k in zip(padded, reach)):
        raise ShapeError(
            f"{name}: the window can't be larger than the padded input: padded extents {padded} "
            f"(spatial {list(spatial)}, padding {padding}), window extents {reach} (window "
            f"{window}, dilation {dilation})"
        )
    return tuple([(n - k) // s + 1 for n, k, s in zip(padded, reach, strides)])


def split_spatial(name: str, x: Any, rank: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(leading, spatial) parts of a shape whose last `rank` axes are spatial."""
    if rank < 1 or len(x.shape) < rank:
        raise ShapeError(
            f"{name}: expected at least {max(rank, 1)} spatial axes, received shape {list(x.shape)}"
        )
    return x.shape[: len(x.shape) - rank], x.shape[len(x.shape) - rank :]
