"""`make_tensor`: random values of any dtype in a range that suits it."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait._functions.common import shape_argument
from plait._functions.random import rand
from plait._tensor import Tensor
from plait._types import require_cpu
from plait.core.ir import dtypes
from plait.core.ir.dtypes import DType
from plait.core.ir.errors import error
from plait.core.lazy.cell import leaf_of

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
    width = (*sizes[:-1], 2 * sizes[-1]) if noncontiguous and sizes else sizes
    draw = rand(*width, dtype=dtypes.float64).compute()
    array = low + draw * (high - low)
    if dtype.kind in "biu":
        array = np.floor(array)
    array = array.astype(dtype.numpy)
    if exclude_zero:
        array[array == 0] = 1 if dtype.kind in "biu" else _tiny(dtype)
    made = Tensor.of_node(leaf_of(array))
    if noncontiguous and sizes:
        made = made[..., ::2]  # type: ignore[index]  # attached by plait._functions
    return made.requires_grad_() if requires_grad else made


def _range(dtype: DType, low: float | None, high: float | None) -> tuple[float, float]:
    lowest, highest = {"b": (0, 2), "u": (0, 10), "i": (-9, 10)}.get(dtype.kind, (-9, 9))
    first = lowest if low is None else low
    last = highest if high is None else high
    if first >= last:
        raise error(
            ValueError,
            f"make_tensor: `low` must be less than `high`, but got {first} >= {last}",
        )
    return first, last


def _tiny(dtype: DType) -> float:
    from plait._types import finfo

    return finfo(dtype).tiny
