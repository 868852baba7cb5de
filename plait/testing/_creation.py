"""`make_tensor`: random values of any dtype in a range that suits it."""

from __future__ import annotations

import math
from typing import Any

from plait._functions.common import shape_argument
from plait._functions.conjugation import view_as_complex, view_as_real
from plait._functions.creation import zeros
from plait._functions.random import randint
from plait._tensor import Tensor
from plait._types import require_cpu
from plait.core.ir.dtypes import DType
from plait.core.ir.errors import error

__all__ = ["make_tensor"]


def make_tensor(
    *shape: Any,
    dtype: DType,
    device: Any = "cpu",
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Values drawn evenly from [low, high), by default [-9, 9) (unsigned: [0, 10); bool: [0, 2)).

    noncontiguous: every second element of a wider tensor. exclude_zero: zeros become the smallest
    positive number (1 for integers). Raises ValueError for an empty range.
    """
    require_cpu(device)
    sizes = shape_argument("make_tensor", shape)
    low, high = _range(dtype, low, high)
    made = _drawn(sizes, dtype, low, high)
    if noncontiguous and made.numel() > 1:
        made = made.repeat_interleave(2, dim=-1)[..., ::2]
    if exclude_zero:
        made[made == 0] = 1 if dtype.kind in "biu" else _tiny(dtype)
    return made.requires_grad_() if requires_grad else made


def _drawn(sizes: tuple[int, ...], dtype: DType, low: float, high: float) -> Tensor:
    """As PyTorch draws them."""
    if dtype.kind in "biu":
        return randint(math.ceil(low), math.ceil(high), sizes, dtype=dtype)
    made = zeros(sizes, dtype=dtype)
    parts = view_as_real(made) if dtype.is_complex else made
    if high - low >= _largest(parts.dtype):
        parts = parts.uniform_(low / 2, high / 2).mul_(2)
    else:
        parts = parts.uniform_(low, high)
    return view_as_complex(parts) if dtype.is_complex else parts


def _largest(dtype: DType) -> float:
    from plait._types import finfo

    return finfo(dtype).max


def _range(dtype: DType, low: float | None, high: float | None) -> tuple[float, float]:
    lowest, highest = {"b": (0, 2), "u": (0, 10), "i": (-9, 10)}.get(dtype.kind, (-9, 9))
    first = lowest if low is None else low
    last = highest if high is None else high
    if first >= last:
        raise error(
            ValueError,
            f"`low` must be less than `high`, but got {first} >= {last}",
        )
    return first, last


def _tiny(dtype: DType) -> float:
    from plait._types import finfo

    return finfo(dtype).tiny
