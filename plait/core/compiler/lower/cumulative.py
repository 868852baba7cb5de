"""Lowerings of the cumulative ops."""

from __future__ import annotations

from typing import Any

from plait.core.codegen import vectors
from plait.core.codegen.cumulative import Scan, scan_kernel
from plait.core.codegen.kernel import Launch
from plait.core.compiler.lower.gather import grain_of
from plait.core.compiler.plan import Plan
from plait.core.ir.op import elements

_MODES = {
    "cumsum": "sum",
    "cumprod": "prod",
    "cummax": "max",
    "cummin": "min",
    "logcumsumexp": "logsumexp",
    "linear_recurrence": "linear",
}
_FLOPS = {"logsumexp": 32, "linear": 2}
#: Columns of a unit: several vectors, so that one addition need not wait for the last.
_LANES = 16


def _lower(made: Any, inputs: Any, outputs: Any, plan: Plan, epilogue: Any = None) -> bool:
    x = inputs[0]
    if epilogue is not None or not vectors.is_supported(x.dtype):
        return False
    if not elements(x.shape):
        return True
    mode, axis = _MODES[made.op.name], made.attrs["axis"]
    if x.dtype.kind == "b" and mode not in ("max", "min"):
        return False
    count, inner = x.shape[axis], elements(x.shape[axis + 1 :])
    lanes = 1 if inner < _LANES or mode == "logsumexp" else _LANES
    plan.launch(
        Launch(
            scan_kernel(Scan(mode, x.dtype.name, lanes, made.attrs.get("reverse", False))),
            tuple(outputs),
            tuple(inputs),
            units=elements(x.shape[:axis]) * -(-inner // lanes),
            numbers=(count, inner),
            grain=grain_of(8 * count * lanes),
            flops=elements(x.shape) * _FLOPS.get(mode, 1),
            bytes=sum(b.nbytes for b in (*inputs, *outputs)),
        )
    )
    return True


LOWERINGS = dict.fromkeys(_MODES, _lower)
