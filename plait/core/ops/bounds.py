"""A check that elements lie in an interval, run before anything that depends on them is kept."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.core.ir import dtypes
from plait.core.ir.op import Lowering, Op, elements

_FAULTS = {"IndexError": IndexError, "RuntimeError": RuntimeError, "ValueError": ValueError}


def _infer_check_range(
    x: Any, *, low: float, high: float, fault: str, message: str
) -> tuple[Any, Any]:
    """The operand itself, once each element is known to lie in [low, high]; nan does not.

    fault: the kind of exception, "IndexError", "RuntimeError" or "ValueError". message: its text,
    in which {value} stands for the first element outside.
    """
    if fault not in _FAULTS:
        raise ValueError(f"check_range: unknown kind of exception {fault!r}")
    return x.shape, x.dtype


def _check_range(x: np.ndarray, *, low: float, high: float, fault: str, message: str) -> None:
    inside = (x >= low) & (x <= high)
    if not inside.all():
        value = x[~inside].reshape(-1)[0].item()
        raise _FAULTS[fault](
            f"{message.replace('{value}', str(value))}\n"
            f"  (check_range: {x.dtype.name} operand of shape {list(x.shape)}; expected "
            f"{low} <= element <= {high}, found {value})"
        )


CHECK_RANGE = Op(
    "check_range",
    infer=_infer_check_range,
    lowering=Lowering.OPAQUE,
    reference=lambda x, **attrs: x,
    vjp=lambda g, y, x, **attrs: g,
    check=_check_range,
    checks=(0,),
    flops=lambda x, **attrs: 2 * elements(x.shape),
    moves_only=True,
    dtypes=dtypes.COMMON,
)
