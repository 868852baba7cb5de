"""`torch.sym_int` and its like: PyTorch's functions of sizes that may be symbols.

Here sizes are numbers, so that these are Python's own functions of them.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Iterable
from typing import Any


def sym_int(a: Any) -> int:
    """`a` as an int, truncated towards zero."""
    return int(a)


def sym_float(a: Any) -> float:
    """`a` as a float."""
    return float(a)


def sym_not(a: Any) -> bool:
    """Not `a`."""
    return not a


def sym_max(a: Any, b: Any) -> Any:
    """The larger of two; a float if one of them is one."""
    found = max(a, b)
    return float(found) if isinstance(a, float) or isinstance(b, float) else found


def sym_min(a: Any, b: Any) -> Any:
    """The smaller of two; a float if one of them is one."""
    found = min(a, b)
    return float(found) if isinstance(a, float) or isinstance(b, float) else found


def sym_sum(args: Iterable[Any]) -> Any:
    """The sum of several."""
    return builtins.sum(args)


def sym_ite(b: bool, t: Any, f: Any) -> Any:
    """`t` if `b`, else `f`, which are of one type. Raises AssertionError otherwise."""
    assert type(t) is type(f), f"sym_ite: {type(t).__name__} and {type(f).__name__} are two types"
    return t if b else f


def sym_sqrt(a: Any) -> float:
    """The square root."""
    return math.sqrt(a)
