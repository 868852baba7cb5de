"""Special functions, elementwise: the error function, gamma, Bessel and normal families.

References are our own NumPy code (`numeric.special`), which works in float64 and rounds once.
Derivatives are the textbook ones: Abramowitz and Stegun, *Handbook of Mathematical Functions*,
chapters 6 (gamma), 7 (error function), 9 (Bessel), 26 (normal distribution).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from plait.core.ir import dtypes
from plait.core.ir.op import Lowering, Op, elements
from plait.core.ops.elementwise import (
    ADD,
    AND,
    DIV,
    EQ,
    GE,
    GT,
    LE,
    LOG,
    LT,
    MUL,
    NEG,
    SIGN,
    SUB,
    WHERE,
    cast,
)
from plait.core.ops.families import (
    REAL,
    require_kind,
    require_same_dtype,
    require_same_shape,
    unary,
)
from plait.core.ops.families import test_dtypes as dtypes_of_kinds
from plait.core.ops.math import COS, EXP, LOG1P, scaled, square
from plait.core.ops.numeric import special
from plait.core.ops.source import constant


def _less(x: Any, number: float) -> Any:
    return ADD(x, constant(-number, x))


def _gauss(x: Any, scale: float) -> Any:
    """exp(-scale x^2)."""
    return EXP(scaled(square(x), -scale))


# -- error function ---------------------------------------------------------------------------

_SLOPE = 2 / math.sqrt(math.pi)  # of erf at 0

ERF = unary(
    "erf",
    special.erf,
    vjp=lambda g, y, x: MUL(g, scaled(_gauss(x, 1.0), _SLOPE)),
    saves=(0,),
    kinds=REAL,
    flops=25,
)
ERFC = unary(
    "erfc",
    special.erfc,
    vjp=lambda g, y, x: MUL(g, scaled(_gauss(x, 1.0), -_SLOPE)),
    saves=(0,),
    kinds=REAL,
    flops=25,
)
ERFCX = unary(
    "erfcx",
    special.erfcx,
    vjp=lambda g, y, x: MUL(g, _less(scaled(MUL(x, y), 2.0), _SLOPE)),
    saves=(0, "y"),
    kinds=REAL,
    flops=40,
)
ERFINV = unary(
    "erfinv",
    special.erfinv,
    vjp=lambda g, y, x: MUL(g, scaled(_gauss(y, -1.0), 1 / _SLOPE)),
    saves=("y",),
    kinds=REAL,
    flops=40,
    domain=(-0.9, 0.9),
)

# -- normal distribution ----------------------------------------------------------------------

_DENSITY = 1 / math.sqrt(2 * math.pi)  # of the normal distribution at 0

NDTR = unary(
    "ndtr",
    special.ndtr,
    vjp=lambda g, y, x: MUL(g, scaled(_gauss(x, 0.5), _DENSITY)),
    saves=(0,),
    kinds=REAL,
    flops=30,
)


def _log_ndtr_vjp(g: Any, y: Any, x: Any) -> Any:
    # density / distribution; by erfcx it neither cancels nor underflows for negative x.
    return DIV(scaled(g, 2 * _DENSITY), ERFCX(scaled(x, -math.sqrt(0.5))))


LOG_NDTR = unary("log_ndtr", special.log_ndtr, vjp=_log_ndtr_vjp, saves=(0,), kinds=REAL, flops=50)
NDTRI = unary(
    "ndtri",
    special.ndtri,
    vjp=lambda g, y, x: MUL(g, scaled(_gauss(y, -0.5), 1 / _DENSITY)),
    saves=("y",),
    kinds=REAL,
    flops=40,
    domain=(0.1, 0.9),
)

# -- gamma ------------------------------------------------------------------------------------


def _trigamma_body(x: Any) -> Any:
    """zeta(2, x), below 1/2 by reflection: (pi / sin(pi x))^2 - zeta(2, 1 - x)."""
    half, one, two = constant(0.5, x), constant(1, x), constant(2, x)
    low = LT(x, half)
    above = ZETA(two, WHERE(low, SUB(one, x), x))
    sine = MUL(x, SINC(x))  # over pi
    y = WHERE(low, SUB(DIV(one, MUL(sine, sine)), above), above)
    return WHERE(EQ(x, constant(math.inf, x)), constant(0, x), y)


def _polygamma_body(x: Any, *, n: int) -> Any:
    """(-1)^(n+1) n! zeta(n + 1, x), Abramowitz and Stegun 6.4.10; in float64, where n! is large."""
    if n == 0:
        return DIGAMMA(x)
    wide = x if x.dtype is dtypes.float64 else cast(x, dtypes.float64)
    if n == 1:
        y = _trigamma_body(wide)
    else:
        factorial = float(math.factorial(n)) if n <= 170 else math.inf
        y = scaled(ZETA(constant(n + 1, wide), wide), factorial if n % 2 else -factorial)
    return y if x.dtype is dtypes.float64 else cast(y, x.dtype)


POLYGAMMA = unary(
    "polygamma",
    lambda x, *, n: special.polygamma(n, x),
    body=_polygamma_body,
    vjp=lambda g, y, x, *, n: MUL(g, POLYGAMMA(x, n=n + 1)),
    saves=(0,),
    kinds=REAL,
    flops=60,
    domain=(0.4, 4.0),
)
DIGAMMA = unary(
    "digamma",
    special.digamma,
    vjp=lambda g, y, x: MUL(g, POLYGAMMA(x, n=1)),
    saves=(0,),
    kinds=REAL,
    flops=40,
    domain=(0.4, 4.0),
)
LGAMMA = unary(
    "lgamma",
    special.lgamma,
    vjp=lambda g, y, x: MUL(g, DIGAMMA(x)),
    saves=(0,),
    kinds=REAL,
    flops=40,
    domain=(0.4, 4.0),
)

# -- modified Bessel functions ----------------------------------------------------------------


def _over(a: Any, x: Any) -> Any:
    """a / x, and 1/2 where x is 0: the limit of i1(x) / x."""
    at_zero = EQ(x, constant(0, x))
    return WHERE(at_zero, constant(0.5, x), DIV(a, WHERE(at_zero, constant(1, x), x)))


I0 = unary("i0", special.i0, vjp=lambda g, y, x: MUL(g, I1(x)), saves=(0,), kinds=REAL, flops=40)
I1 = unary(
    "i1",
    special.i1,
    vjp=lambda g, y, x: MUL(g, SUB(I0(x), _over(y, x))),
    saves=(0, "y"),
    kinds=REAL,
    flops=40,
)
I0E = unary(
    "i0e",
    special.i0e,
    vjp=lambda g, y, x: MUL(g, SUB(I1E(x), MUL(SIGN(x), y))),
    saves=(0, "y"),
    kinds=REAL,
    flops=40,
)
I1E = unary(
    "i1e",
    special.i1e,
    vjp=lambda g, y, x: MUL(g, SUB(I0E(x), ADD(MUL(SIGN(x), y), _over(y, x)))),
    saves=(0, "y"),
    kinds=REAL,
    flops=40,
)

# -- Bessel functions of PyTorch without derivatives ------------------------------------------


def _of_bessel(name: str, domain: tuple[float, float] = (0.1, 9.0)) -> Op:
    return unary(name, getattr(special, name), kinds=REAL, flops=300, domain=domain)


BESSEL_J0 = _of_bessel("bessel_j0", (-9.0, 9.0))
BESSEL_J1 = _of_bessel("bessel_j1", (-9.0, 9.0))
BESSEL_Y0 = _of_bessel("bessel_y0")
BESSEL_Y1 = _of_bessel("bessel_y1")
MODIFIED_BESSEL_K0 = _of_bessel("modified_bessel_k0")
MODIFIED_BESSEL_K1 = _of_bessel("modified_bessel_k1")
SCALED_MODIFIED_BESSEL_K0 = _of_bessel("scaled_modified_bessel_k0")
SCALED_MODIFIED_BESSEL_K1 = _of_bessel("scaled_modified_bessel_k1")
SPHERICAL_BESSEL_J0 = _of_bessel("spherical_bessel_j0", (-9.0, 9.0))
AIRY_AI = _of_bessel("airy_ai", (-9.0, 9.0))

# -- logarithms and ratios --------------------------------------------------------------------


#: Below this the slope of sinc comes from its power series, whose terms left out are below the
#: rounding of float64 there; the closed form cancels.
_SINC_SERIES_BELOW = 0.03


def _sinc_slope_near_zero(x: Any) -> Any:
    """pi (-u/3 + u^3/30 - u^5/840 + u^7/45360) with u = pi x."""
    u = scaled(x, math.pi)
    square_of_u = square(u)
    series = constant(1 / 45360, x)
    for term in (-1 / 840, 1 / 30, -1 / 3):
        series = ADD(MUL(series, square_of_u), constant(term, x))
    return MUL(scaled(u, math.pi), series)


def _sinc_vjp(g: Any, y: Any, x: Any) -> Any:
    near = LT(MUL(x, x), constant(_SINC_SERIES_BELOW**2, x))
    zero, one = constant(0, x), constant(1, x)
    slope = DIV(SUB(COS(scaled(x, math.pi)), y), WHERE(near, one, x))
    return MUL(g, WHERE(near, _sinc_slope_near_zero(WHERE(near, x, zero)), slope))


SINC = unary("sinc", special.sinc, vjp=_sinc_vjp, saves=(0, "y"), kinds=REAL, flops=25)
ENTR = unary(
    "entr",
    special.entr,
    vjp=lambda g, y, x: NEG(MUL(g, ADD(LOG(x), constant(1, x)))),
    saves=(0,),
    kinds=REAL,
    flops=20,
    domain=(0.2, 3.0),
)


def _logit_vjp(g: Any, y: Any, x: Any) -> Any:
    one = constant(1, x)
    inside = AND(GE(x, constant(0, x)), LE(x, one))
    return WHERE(inside, DIV(g, MUL(x, SUB(one, x))), constant(math.nan, x))


LOGIT = unary(
    "logit",
    special.logit,
    vjp=_logit_vjp,
    saves=(0,),
    kinds=REAL,
    flops=25,
    domain=(0.1, 0.9),
)


def logit(x: Any, eps: float | None = None) -> Any:
    """log(x / (1 - x)); `eps` first holds x to [eps, 1 - eps], where no gradient passes."""
    if eps is None:
        return LOGIT(x)
    low, high = constant(eps, x), constant(1 - eps, x)
    return LOGIT(WHERE(LT(x, low), low, WHERE(GT(x, high), high, x)))


# -- two operands -----------------------------------------------------------------------------


def _of_two(
    name: str,
    reference: Callable[..., Any],
    *,
    vjp: Callable[..., Any],
    saves: tuple[int | str, ...],
    differentiable: tuple[int, ...],
    flops: int,
    domain: tuple[float, float] = (0.3, 3.0),
    doc: str,
) -> Op:
    def infer(a: Any, b: Any) -> tuple[Any, Any]:
        require_same_dtype(name, a, b)
        require_same_shape(name, a, b)
        require_kind(name, a.dtype, REAL)
        return a.shape, a.dtype

    return Op(
        name,
        infer=infer,
        lowering=Lowering.ELEMENTWISE,
        reference=reference,
        vjp=vjp,
        saves=saves,
        differentiable=differentiable,
        flops=lambda a, b: flops * elements(a.shape),
        dtypes=dtypes_of_kinds(REAL),
        domain=domain,
        doc=doc,
    )


def _log_of_second(log: Callable[[Any], Any], shift: float) -> Callable[..., Any]:
    """The rule of a * log(b + shift); with a = 0 and the logarithm undefined, a gets nothing."""

    def vjp(g: Any, y: Any, a: Any, b: Any) -> tuple[Any, Any]:
        zero, one = constant(0, a), constant(1, a)
        undefined = AND(EQ(a, zero), LE(b, constant(-shift, b)))
        grad_a = WHERE(undefined, zero, MUL(g, log(WHERE(undefined, one, b))))
        return grad_a, DIV(MUL(g, a), ADD(b, constant(shift, b)) if shift else b)

    return vjp


XLOGY = _of_two(
    "xlogy",
    special.xlogy,
    vjp=_log_of_second(LOG, 0.0),
    saves=(0, 1),
    differentiable=(0, 1),
    flops=18,
    doc="a log(b), and 0 where a is 0.",
)
XLOG1PY = _of_two(
    "xlog1py",
    special.xlog1py,
    vjp=_log_of_second(LOG1P, 1.0),
    saves=(0, 1),
    differentiable=(0, 1),
    flops=18,
    doc="a log(1 + b), and 0 where a is 0.",
)
ZETA = _of_two(
    "zeta",
    special.zeta,
    vjp=lambda g, y, s, q: (None, NEG(MUL(g, MUL(s, ZETA(ADD(s, constant(1, s)), q))))),
    saves=(0, 1),
    differentiable=(1,),
    flops=100,
    domain=(1.3, 4.0),
    doc="The Hurwitz zeta function of s and q; differentiable in q only, as in PyTorch.",
)


def _gamma_density(g: Any, a: Any, x: Any) -> Any:
    """g x^(a-1) e^-x / gamma(a), the derivative of the lower incomplete gamma function by x."""
    exponent = SUB(MUL(_less(a, 1.0), LOG(x)), ADD(x, LGAMMA(a)))
    return MUL(g, EXP(exponent))


IGAMMA = _of_two(
    "igamma",
    special.igamma,
    vjp=lambda g, y, a, x: (None, _gamma_density(g, a, x)),
    saves=(0, 1),
    differentiable=(1,),
    flops=200,
    doc="The regularised lower incomplete gamma function of a and x; differentiable in x only.",
)
IGAMMAC = _of_two(
    "igammac",
    special.igammac,
    vjp=lambda g, y, a, x: (None, NEG(_gamma_density(g, a, x))),
    saves=(0, 1),
    differentiable=(1,),
    flops=200,
    doc="The regularised upper incomplete gamma function of a and x; differentiable in x only.",
)
