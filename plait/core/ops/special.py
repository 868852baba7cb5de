"""Special functions."""

from __future__ import annotations

import math
from typing import Any

from plait.core.ops.elementwise import MUL, NEG
from plait.core.ops.families import REAL, unary
from plait.core.ops.math import EXP, scaled, square
from plait.core.ops.numeric.special_erf import erf


def _erf_vjp(g: Any, y: Any, x: Any) -> Any:
    return MUL(g, scaled(EXP(NEG(square(x))), 2 / math.sqrt(math.pi)))


ERF = unary("erf", erf, vjp=_erf_vjp, saves=(0,), kinds=REAL, flops=30)
