"""Binary cross-entropy of probabilities, with PyTorch's limits on logarithm and slope."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.core.ir.op import Lowering, Op, elements
from plait.core.ops.elementwise import DIV, LOG, MAXIMUM, MUL, NEG, SUB, cast
from plait.core.ops.families import (
    REAL,
    contiguous,
    require_kind,
    require_same_dtype,
    require_same_shape,
)
from plait.core.ops.families import test_dtypes as dtypes_of_kinds
from plait.core.ops.math import LOG1P
from plait.core.ops.rows import widen
from plait.core.ops.source import constant

#: No logarithm is below this, so that a certain and wrong prediction has a finite loss.
LOWEST_LOG = -100.0
#: The slope divides by p (1 - p), but by no less than this.
LEAST_VARIANCE = 1e-12


def _infer(p: Any, target: Any) -> tuple[Any, Any]:
    """-(t log p + (1 - t) log(1 - p)) elementwise, each logarithm limited to -100 from below."""
    require_same_dtype("binary_cross_entropy", p, target)
    require_same_shape("binary_cross_entropy", p, target)
    require_kind("binary_cross_entropy", p.dtype, REAL)
    return p.shape, p.dtype


def _reference(p: np.ndarray, target: np.ndarray) -> np.ndarray:
    p = contiguous(p)
    lowest = p.dtype.type(LOWEST_LOG)
    wrong = np.maximum(np.log1p(-p), lowest)
    right = np.maximum(np.log(p), lowest)
    return (target - 1) * wrong - target * right


def _body(p: Any, target: Any) -> Any:
    wide, wanted = widen(p), widen(target)
    lowest = constant(LOWEST_LOG, wide)
    wrong = MUL(SUB(wanted, constant(1, wanted)), MAXIMUM(LOG1P(NEG(wide)), lowest))
    return cast(SUB(wrong, MUL(wanted, MAXIMUM(LOG(wide), lowest))), p.dtype)


def _vjp(g: Any, y: Any, p: Any, target: Any) -> tuple[Any, Any]:
    dtype = p.dtype
    g, p, target = widen(g), widen(p), widen(target)
    variance = MAXIMUM(MUL(p, SUB(constant(1, p), p)), constant(LEAST_VARIANCE, p))
    in_p = MUL(g, DIV(SUB(p, target), variance))
    in_target = MUL(g, SUB(LOG1P(NEG(p)), LOG(p)))
    return cast(in_p, dtype), cast(in_target, dtype)


BINARY_CROSS_ENTROPY = Op(
    "binary_cross_entropy",
    infer=_infer,
    lowering=Lowering.ELEMENTWISE,
    reference=_reference,
    body=_body,
    vjp=_vjp,
    saves=(0, 1),
    flops=lambda p, target: 35 * elements(p.shape),
    dtypes=dtypes_of_kinds(REAL),
    domain=(0.1, 0.9),
)
