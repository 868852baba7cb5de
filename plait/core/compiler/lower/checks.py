"""Lowerings of the checks of values: a bad one is a fault code, explained by the op's own check."""

from __future__ import annotations

import math
import struct
from typing import Any

from plait.core.codegen import vectors
from plait.core.codegen.checks import CHUNK, check_kernel
from plait.core.codegen.kernel import Launch
from plait.core.compiler.plan import Buffer, Plan
from plait.core.ir.op import elements

_LEAST, _MOST = -(1 << 63), (1 << 63) - 1
#: Units that are worth a thread of their own.
_GRAIN = 4


def _launch(
    plan: Plan,
    made: Any,
    operands: tuple[Buffer, ...],
    values: Buffer,
    kind: str,
    bounds: tuple[int, int],
    outputs: tuple[Buffer, ...],
) -> None:
    size = elements(values.shape)
    plan.launch(
        Launch(
            check_kernel(values.dtype, kind, outputs[0].dtype if outputs else None),
            outputs,
            (values,),
            units=-(-size // CHUNK),
            numbers=(size, *bounds),
            grain=_GRAIN,
            bytes=values.nbytes + sum(b.nbytes for b in outputs),
            fault=(made, operands),
        )
    )


def lower_check(made: Any, inputs: Any, plan: Plan) -> bool:
    """The check alone of an elementwise op that refuses some values (integer division by zero).

    Its result is the business of a row kernel. Gives False, having added nothing, for a check that
    is not known here; True and no launch where nothing can be wrong.
    """
    if made.op.name not in ("floor_div", "trunc_div", "remainder", "fmod"):
        return False
    divisor = inputs[1]
    if divisor.dtype.kind not in "iu":
        return True
    if divisor.made is None and divisor.value is not None and divisor.value.all():
        return True
    _launch(plan, made, tuple(inputs), divisor, "nonzero", (0, 0), ())
    return True


def _lower_index(made: Any, inputs: Any, outputs: Any, plan: Plan, epilogue: Any = None) -> bool:
    if epilogue is not None:
        return False
    _launch(plan, made, tuple(inputs), inputs[0], "index", (made.attrs["size"], 0), tuple(outputs))
    return True


def _lower_label(made: Any, inputs: Any, outputs: Any, plan: Plan, epilogue: Any = None) -> bool:
    if epilogue is not None:
        return False
    bounds = (made.attrs["classes"], made.attrs["ignore"])
    if not all(_LEAST <= bound <= _MOST for bound in bounds):
        return False
    _launch(plan, made, tuple(inputs), inputs[0], "label", bounds, tuple(outputs))
    return True


def _lower_pool(made: Any, inputs: Any, outputs: Any, plan: Plan, epilogue: Any = None) -> bool:
    if epilogue is not None:
        return False
    bounds = (0, math.prod(made.attrs["spatial"]) - 1)
    _launch(plan, made, tuple(inputs), inputs[0], "within", bounds, tuple(outputs))
    return True


def _lower_range(made: Any, inputs: Any, outputs: Any, plan: Plan, epilogue: Any = None) -> bool:
    (values,) = inputs
    low, high = made.attrs["low"], made.attrs["high"]
    if epilogue is not None or not vectors.is_supported(values.dtype):
        return False
    if values.dtype.name in ("uint64", "bool") or math.isnan(low) or math.isnan(high):
        return False
    if values.dtype.kind == "f":
        # The reference compares 16- and 32-bit floats with bounds rounded to float32.
        bounds = [_rounded(bound, values.dtype.itemsize) for bound in (low, high)]
        words = [struct.unpack("q", struct.pack("d", bound))[0] for bound in bounds]
    else:
        words = [_integer(low, math.ceil), _integer(high, math.floor)]
    _launch(plan, made, (values,), values, "within", (words[0], words[1]), tuple(outputs))
    return True


def _rounded(bound: float, itemsize: int) -> float:
    if itemsize == 8 or math.isinf(bound):
        return float(bound)
    try:
        return struct.unpack("f", struct.pack("f", bound))[0]
    except OverflowError:
        return math.copysign(math.inf, bound)


def _integer(bound: float, towards: Any) -> int:
    """The nearest int64 that a bound amounts to for integers."""
    if math.isinf(bound):
        return _MOST if bound > 0 else _LEAST
    return min(max(towards(bound), _LEAST), _MOST)


LOWERINGS = {
    "check_index": _lower_index,
    "check_label": _lower_label,
    "check_pool_index": _lower_pool,
    "check_range": _lower_range,
}
