"""Special functions at points known by hand; derivatives where their formulas divide by zero."""

from __future__ import annotations

import math

import numpy as np
import pytest

from plait.core.autodiff.rules import graph_vjp
from plait.core.ir import dtypes
from plait.core.ir.errors import DTypeError, ShapeError
from plait.core.ir.graph import trace
from plait.core.ir.node import Spec
from plait.core.ops import special
from plait.core.reference.executor import run


def value_and_slope(op, *points, **attrs):
    arrays = [np.array(p, np.float64) for p in points]
    graph = trace(lambda *x: op(*x, **attrs), [Spec(a.shape, dtypes.float64) for a in arrays])
    value = run(graph, arrays)[0]
    return value, run(graph_vjp(graph), [*arrays, np.ones_like(value)])


EULER = 0.5772156649015329

KNOWN = [
    (special.ERF, 0.0, 0.0, 2 / math.sqrt(math.pi)),
    (special.ERFC, 0.0, 1.0, -2 / math.sqrt(math.pi)),
    (special.ERFINV, 0.0, 0.0, math.sqrt(math.pi) / 2),
    (special.NDTR, 0.0, 0.5, 1 / math.sqrt(2 * math.pi)),
    (special.NDTRI, 0.5, 0.0, math.sqrt(2 * math.pi)),
    (special.LOG_NDTR, 0.0, -math.log(2), 2 / math.sqrt(2 * math.pi)),
    (special.LGAMMA, 1.0, 0.0, -EULER),
    (special.DIGAMMA, 1.0, -EULER, math.pi**2 / 6),
    (special.I0, 0.0, 1.0, 0.0),
    (special.I1, 0.0, 0.0, 0.5),
    (special.I1E, 0.0, 0.0, 0.5),
    (special.SINC, 0.0, 1.0, 0.0),
    (special.SINC, 1.0, 0.0, -1.0),
    (special.LOGIT, 0.5, 0.0, 4.0),
    (special.ENTR, 1.0, 0.0, -1.0),
]


@pytest.mark.parametrize(
    ("op", "x", "value", "slope"), KNOWN, ids=lambda v: getattr(v, "name", None)
)
def test_known_values_and_slopes(op, x, value, slope):
    found, (grad,) = value_and_slope(op, x)
    # Within some units in the last place of numbers of size 1.
    np.testing.assert_allclose(found, value, rtol=1e-15, atol=1e-15)
    np.testing.assert_allclose(grad, slope, rtol=2e-15, atol=1e-15)


def test_log_ndtr_slope_far_out():
    # The ratio of density and distribution tends to -x + 1/x... where both underflow.
    _, (grad,) = value_and_slope(special.LOG_NDTR, [-100.0, -1000.0])
    np.testing.assert_allclose(grad, [100.00999800099927, 1000.000999998], rtol=1e-12)


def test_xlogy_is_silent_at_zero():
    value, (grad_a, grad_b) = value_and_slope(special.XLOGY, [0.0, 2.0], [0.0, 1.0])
    assert value.tolist() == [0, 0]
    assert grad_a.tolist() == [0, 0]
    assert grad_b[1] == 2


def test_logit_holds_to_its_bounds():
    value, (grad,) = value_and_slope(special.logit, [0.0, 0.5, 1.0], eps=0.25)
    np.testing.assert_allclose(value, [-math.log(3), 0, math.log(3)], rtol=1e-15)
    assert grad.tolist() == [0, 4, 0]


def test_polygamma_of_order_two():
    value, (grad,) = value_and_slope(special.POLYGAMMA, 1.0, n=2)
    np.testing.assert_allclose(value, -2 * 1.2020569031595942, rtol=1e-15)  # -2 zeta(3)
    np.testing.assert_allclose(grad, math.pi**4 / 15, rtol=1e-15)


def test_errors():
    with pytest.raises(DTypeError, match="erf: dtype int64 is not supported"):
        special.ERF.infer(Spec((2,), dtypes.int64))
    with pytest.raises(ShapeError, match="igamma: operands must have one shape"):
        special.IGAMMA.infer(Spec((2,), dtypes.float32), Spec((3,), dtypes.float32))
