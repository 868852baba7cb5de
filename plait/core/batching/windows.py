"""Batching rules of convolutions, whose operands are (N, C, *spatial).

Samples join the axis N where only the data are batched, and the channels, as groups of their own,
where the weights are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from plait.core.ir.op import Op
from plait.core.ops.view import TRANSPOSE, broadcast, reshape


def _joined(x: Any) -> Any:
    """(B, N, ...) as (B N, ...)."""
    return reshape(x, (x.shape[0] * x.shape[1], *x.shape[2:]))


def _parted(x: Any, size: int) -> Any:
    """(B N, ...) as (B, N, ...)."""
    return reshape(x, (size, x.shape[0] // size, *x.shape[1:]))


def _swapped(x: Any) -> Any:
    return TRANSPOSE(x, axes=(1, 0, *range(2, len(x.shape))))


def _in_channels(x: Any, is_batched: bool, size: int) -> Any:
    """Data (B, N, C, ...), or (N, C, ...) for all samples, as (N, B C, ...)."""
    if is_batched:
        x = _swapped(x)
    else:
        n, rest = x.shape[0], x.shape[1:]
        x = broadcast(reshape(x, (n, 1, *rest)), (n, size, *rest))
    return reshape(x, (x.shape[0], size * x.shape[2], *x.shape[3:]))


def _out_of_channels(x: Any, size: int) -> Any:
    """(N, B C, ...) as (B, N, C, ...)."""
    n, channels, *rest = x.shape
    return _swapped(reshape(x, (n, size, channels // size, *rest)))


def conv(
    op: Op, size: int, operands: Sequence[Any], batched: Sequence[bool], attrs: dict[str, Any]
) -> Any:
    """x (N, C, ...), w (O, C / groups, ...)."""
    x, w = operands
    if not batched[1]:
        return _parted(op(_joined(x), w, **attrs), size)
    attrs = {**attrs, "groups": attrs["groups"] * size}
    return _out_of_channels(op(_in_channels(x, batched[0], size), _joined(w), **attrs), size)


conv_input_grad = conv


def conv_weight_grad(
    op: Op, size: int, operands: Sequence[Any], batched: Sequence[bool], attrs: dict[str, Any]
) -> Any:
    """x (N, C, ...), g (N, O, ...): a weight per sample."""
    x, g = (_in_channels(v, is_batched, size) for v, is_batched in zip(operands, batched))
    return _parted(op(x, g, **{**attrs, "groups": attrs["groups"] * size}), size)
