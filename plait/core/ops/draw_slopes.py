"""How draws of the gamma and beta families move with their parameters: gradients through draws."""

from __future__ import annotations

from typing import Any

from plait.core.ir.op import Lowering, Op, elements
from plait.core.ops.families import REAL, require_kind, require_same_dtype, require_same_shape
from plait.core.ops.families import test_dtypes as dtypes_of_kinds
from plait.core.ops.numeric.special_draws import beta_slope, gamma_slope

#: Nodes of the integral times what the formula costs at each.
_FLOPS = 96 * 60


def _elementwise(name: str, reference: Any, domain: tuple[float, float], doc: str) -> Op:
    def infer(*operands: Any) -> tuple[Any, Any]:
        require_same_dtype(name, *operands)
        require_same_shape(name, *operands)
        require_kind(name, operands[0].dtype, REAL)
        return operands[0].shape, operands[0].dtype

    return Op(
        name,
        infer=infer,
        lowering=Lowering.ELEMENTWISE,
        reference=reference,
        differentiable=(),
        flops=lambda *operands: _FLOPS * elements(operands[0].shape),
        dtypes=dtypes_of_kinds(REAL),
        domain=domain,
        doc=doc,
    )


GAMMA_SLOPE = _elementwise(
    "gamma_slope",
    gamma_slope,
    (0.3, 3.0),
    "dx/da of a draw x of the gamma distribution with shape a (operands a, x).",
)
BETA_SLOPE = _elementwise(
    "beta_slope",
    beta_slope,
    (0.1, 0.9),
    "dx/da of a draw x of the beta distribution with a and b (operands x, a, b).",
)
