"""Special functions on vectors, in float64 whatever the operands' type, and rounded once.

The methods, their sources and coefficients are those of the references (`ops.numeric.special_erf`,
`special_bessel`, `special_gamma`); all branches are computed, and selections take the place of
their masks. Elementary functions are those of `vecmath`, where it has float64; else the C
library's, lane by lane.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from plait.core.codegen import vecmath
from plait.core.codegen.values import Values
from plait.core.ops.numeric import special_bessel, special_erf, special_gamma

_ROOT_2 = math.sqrt(2)
_ROOT_PI = math.sqrt(math.pi)


class Real:
    """A float64 value, scalar or vector, of a function being written."""

    __slots__ = ("name", "v")

    def __init__(self, v: Values, name: str) -> None:
        self.v = v
        self.name = name

    def of(self, value: Real | float) -> Real:
        """A number as a value of the same type."""
        return value if isinstance(value, Real) else Real(self.v, self.v.const(value))

    def __add__(self, other: Real | float) -> Real:
        return Real(self.v, self.v.add(self.name, self.of(other).name))

    def __sub__(self, other: Real | float) -> Real:
        return Real(self.v, self.v.sub(self.name, self.of(other).name))

    def __mul__(self, other: Real | float) -> Real:
        return Real(self.v, self.v.mul(self.name, self.of(other).name))

    def __truediv__(self, other: Real | float) -> Real:
        return Real(self.v, self.v.div(self.name, self.of(other).name))

    def __radd__(self, other: float) -> Real:
        return self.of(other) + self

    def __rsub__(self, other: float) -> Real:
        return self.of(other) - self

    def __rmul__(self, other: float) -> Real:
        return self.of(other) * self

    def __rtruediv__(self, other: float) -> Real:
        return self.of(other) / self

    def __neg__(self) -> Real:
        return Real(self.v, self.v.neg(self.name))

    def __abs__(self) -> Real:
        return self.call("fabs")

    def call(self, name: str, *others: Real) -> Real:
        """An LLVM intrinsic."""
        return Real(self.v, self.v.call(name, self.name, *[o.name for o in others]))

    def function(self, name: str) -> Real:
        """A function of `vecmath`, or else of the C library."""
        function = vecmath.DOUBLE_FUNCTIONS.get(name)
        if function is not None:
            return Real(self.v, function(self.v, self.name))
        return Real(self.v, self.v.per_lane(name, [self.name]))

    def test(self, how: str, other: Real | float) -> str:
        """The truth of a comparison: "olt", "oeq"."""
        return self.v.fcmp(how, self.name, self.of(other).name)

    def where(self, condition: str, other: Real | float) -> Real:
        """This value where the condition holds, else the other."""
        return Real(self.v, self.v.select(condition, self.name, self.of(other).name))

    def bounded(self, low: float | None, high: float | None) -> Real:
        return Real(self.v, self.v.bounded(self.name, low, high))

    def polynomial(self, coefficients: Sequence[float]) -> Real:
        """With the highest power's coefficient first, as the references have them."""
        return Real(self.v, self.v.polynomial(self.name, list(coefficients)[::-1]))


def _sign(x: Real) -> Real:
    """1 or -1, with the sign of x. To multiply by: a rounded copysign of float16 LLVM cannot do."""
    return x.of(1.0).call("copysign", x)


# -- error function and normal distribution ---------------------------------------------------


def _erf_small(x: Real) -> Real:
    square = x * x
    return x * (square.polynomial(special_erf.ERF_P) / square.polynomial(special_erf.ERF_Q))


def _gauss(x: Real, scale: float = 1.0) -> Real:
    """exp(-scale x^2) for x >= 0, by parts: the square's rounding misses the exponent."""
    x = x.bounded(None, special_erf.UNDERFLOW / math.sqrt(scale))
    coarse = (x * 16.0).call("trunc") / 16.0
    first = (coarse * coarse * -scale).function("exp")
    return first * ((x - coarse) * (x + coarse) * -scale).function("exp")


def _erfcx_positive(x: Real) -> Real:
    """exp(x^2) erfc(x) above 0.46875."""
    middle = x.polynomial(special_erf.MIDDLE_P) / x.polynomial(special_erf.MIDDLE_Q)
    z = 1.0 / (x * x)
    rest = z * z.polynomial(special_erf.LARGE_P) / z.polynomial(special_erf.LARGE_Q)
    large = (1.0 / _ROOT_PI - rest) / x
    return middle.where(x.test("ole", special_erf.LARGE), large)


def _erfc(x: Real) -> Real:
    size = abs(x)
    beyond = _gauss(size) * _erfcx_positive(size)
    beyond = beyond.where(x.test("ogt", 0.0), 2.0 - beyond)
    return (1.0 - _erf_small(x)).where(size.test("ole", special_erf.SMALL), beyond)


def _erfcx(x: Real) -> Real:
    size = abs(x)
    beyond = _erfcx_positive(size)
    beyond = beyond.where(x.test("ogt", 0.0), 2.0 / _gauss(size) - beyond)
    near = (x * x).function("exp") * (1.0 - _erf_small(x))
    return near.where(size.test("ole", special_erf.SMALL), beyond)


def _ndtr(x: Real) -> Real:
    scaled = -x / _ROOT_2
    tail = 0.5 * _erfcx_positive(scaled) * _gauss(-x, 0.5)
    return tail.where(x.test("olt", -1.0), 0.5 * _erfc(scaled))


def _log_ndtr(x: Real) -> Real:
    tail = (0.5 * _erfcx(-x / _ROOT_2)).function("log") - 0.5 * x * x
    return tail.where(x.test("olt", -1.0), (-_ndtr(-x)).function("log1p"))


def _erfinv_central(x: Real) -> Real:
    """For |x| <= 1/2."""
    w = -(-x * x).function("log1p")
    y = x * (w - 2.5).polynomial(special_erf.GILES)
    for _ in range(2):
        size = abs(y)
        far = (1.0 - _gauss(size) * _erfcx_positive(size)).call("copysign", y)
        value = _erf_small(y).where(size.test("ole", special_erf.SMALL), far)
        step = (value - x) * (0.5 * _ROOT_PI) * (y * y).function("exp")
        y = y - step / (1.0 + y * step)
    return y


def _erfc_inverse(q: Real) -> Real:
    """The y with erfc(y) = q, for 0 <= q <= 1/2; nan below 0."""
    t = (-2.0 * (0.5 * q).function("log")).call("sqrt")
    y = t - t.polynomial(special_erf.TAIL_P) / t.polynomial(special_erf.TAIL_Q)
    y = y / _ROOT_2
    for _ in range(3):
        step = (q / _gauss(y) - _erfcx_positive(y)) * (0.5 * _ROOT_PI)
        y = y - step / (1.0 - y * step)
    return q.of(math.inf).where(q.test("oeq", 0.0), y)


def _erfinv(x: Real) -> Real:
    size = abs(x)
    tail = _erfc_inverse(1.0 - size) * _sign(x)
    return _erfinv_central(x).where(size.test("ole", 0.5), tail)


def _ndtri(p: Real) -> Real:
    below, above = p.test("olt", 0.25), p.test("ogt", 0.75)
    tail = _erfc_inverse((2.0 * p).where(below, 2.0 * (1.0 - p))) * _ROOT_2
    central = _erfinv_central(2.0 * p - 1.0) * _ROOT_2
    return (-tail).where(below, tail.where(above, central))


# -- Bessel functions -------------------------------------------------------------------------


def _clenshaw(coefficients: Sequence[float], t: Real) -> Real:
    b1, b2 = t.of(0.0), t.of(0.0)
    for coefficient in coefficients[:0:-1]:
        b1, b2 = 2.0 * t * b1 - b2 + float(coefficient), b1
    return t * b1 - b2 + float(coefficients[0])


def _bessel_scaled(x: Real, order: int) -> Real:
    """exp(-x) I_order(x) for x >= 0."""
    split, flatten = special_bessel.SPLIT, special_bessel.FLATTEN
    near, far = special_bessel.coefficients(order)
    small, large = x.bounded(None, split), x.bounded(split, None)
    below = _clenshaw(near.tolist(), small / (split / 2) - 1.0)
    below = below / (small + flatten).call("sqrt")
    if order:
        below = below * small / (small + flatten)
    above = _clenshaw(far.tolist(), 2 * split / large - 1.0) / large.call("sqrt")
    return below.where(x.test("ole", split), above)


def _bessel(order: int, *, scaled: bool) -> Callable[[Real], Real]:
    def rule(x: Real) -> Real:
        size = abs(x)
        y = _bessel_scaled(size, order)
        if not scaled:
            y = size.function("exp") * y
        return y * _sign(x) if order else y

    return rule


# -- gamma ------------------------------------------------------------------------------------


def _digamma_positive(x: Real) -> Real:
    shift, limit = x.of(0.0), special_gamma.ASYMPTOTIC
    for _ in range(int(limit)):
        low = x.test("olt", limit)
        shift = (shift + 1.0 / x).where(low, shift)
        x = (x + 1.0).where(low, x)
    inverse = 1.0 / x
    square = inverse * inverse
    series = square * square.polynomial(special_gamma.DIGAMMA[::-1])
    return x.function("log") - 0.5 * inverse - series - shift


def _digamma(x: Real) -> Real:
    low = x.test("olt", 0.5)
    positive = _digamma_positive((1.0 - x).where(low, x))
    angle = (x - x.call("roundeven")) * math.pi
    y = (positive - math.pi / angle.function("tan")).where(low, positive)
    v = x.v
    whole = v.both(x.test("olt", 0.0), x.test("oeq", x.call("floor")))
    y = x.of(math.nan).where(whole, y)
    pole = -x.of(math.inf).call("copysign", x)
    return pole.where(x.test("oeq", 0.0), y)


def _power(x: Real, exponent: Real) -> Real:
    return Real(x.v, x.v.per_lane("pow", [x.name, exponent.name]))


def _zeta_positive(s: Real, q: Real) -> Real:
    end = q + float(special_gamma.ZETA_STEPS)
    inverse = 1.0 / end
    tail, term = s.of(0.0), s * inverse
    for k, coefficient in enumerate(special_gamma.EULER_MACLAURIN):
        tail = tail + term * coefficient
        term = term * (s + (2.0 * k + 1)) * (s + (2.0 * k + 2)) * inverse * inverse
    total = _power(end, -s) * (tail + 0.5 + end / (s - 1.0))
    for k in reversed(range(special_gamma.ZETA_STEPS)):
        total = total + _power(q + float(k), -s)
    return total


def _zeta(s: Real, q: Real) -> Real:
    """Negative bases by the finitely many terms below zero, and the rest."""
    v = s.v
    negative = q.test("olt", 0.0)
    floor, half = q.call("floor"), s * 0.5
    base = (q - floor).where(negative, q)
    above = _zeta_positive(s, base)
    below = _zeta_positive(s, 1.0 - base) - _zeta_positive(s, 1.0 - q)
    below = below.where(half.test("oeq", half.call("floor")), -below)
    y = (above + below).where(negative, above)
    y = s.of(math.nan).where(v.both(negative, s.test("une", s.call("floor"))), y)
    y = s.of(math.inf).where(v.both(q.test("ole", 0.0), q.test("oeq", floor)), y)
    y = y.where(s.test("ogt", 1.0), math.nan)
    y = s.of(math.inf).where(s.test("oeq", 1.0), y)
    return y.where(q.test("ord", q), math.nan)


# -- logarithms and ratios --------------------------------------------------------------------


def _sinc(x: Real) -> Real:
    nearest = x.call("roundeven")
    sine = ((x - nearest) * math.pi).function("sin")
    half = nearest * 0.5
    sine = sine.where(half.test("oeq", half.call("floor")), -sine)
    return x.of(1.0).where(x.test("oeq", 0.0), sine / (x * math.pi))


def _entr(x: Real) -> Real:
    y = -x * x.function("log")
    y = x.of(-math.inf).where(x.test("olt", 0.0), y)
    return x.of(0.0).where(x.test("oeq", 0.0), y)


def _logit(x: Real) -> Real:
    rest = 1.0 - x
    central = ((2.0 * x - 1.0) / rest).function("log1p")
    middle = x.v.both(x.test("ogt", 0.3), x.test("olt", 0.65))
    return central.where(middle, (x / rest).function("log"))


def _times_log(name: str) -> Callable[[Real, Real], Real]:
    def rule(x: Real, y: Real) -> Real:
        nothing = x.v.both(x.test("oeq", 0.0), y.test("ord", y))
        return x.of(0.0).where(nothing, x * y.function(name))

    return rule


def _emitter(rule: Callable[..., Real]) -> Callable[[Values, Sequence[str], str], str]:
    """The rule on operands of any float type: widened before, rounded after."""

    def emitter(v: Values, x: Sequence[str], kind: str) -> str:
        if v.element == "double":
            return rule(*[Real(v, name) for name in x]).name
        wide = v.of(v.like("double"))
        given = [Real(wide, v.convert("fpext", name, wide.kind)) for name in x]
        return wide.convert("fptrunc", rule(*given).name, v.kind)

    return emitter


_RULES: dict[str, Callable[..., Real]] = {
    "erfcx": _erfcx,
    "erfinv": _erfinv,
    "ndtr": _ndtr,
    "log_ndtr": _log_ndtr,
    "ndtri": _ndtri,
    "i0": _bessel(0, scaled=False),
    "i0e": _bessel(0, scaled=True),
    "i1": _bessel(1, scaled=False),
    "i1e": _bessel(1, scaled=True),
    "digamma": _digamma,
    "lgamma": lambda x: x.function("lgamma"),
    "zeta": _zeta,
    "sinc": _sinc,
    "entr": _entr,
    "logit": _logit,
    "xlogy": _times_log("log"),
    "xlog1py": _times_log("log1p"),
}
#: Emitters of `pointwise`, by op name.
EMITTERS = {name: _emitter(rule) for name, rule in _RULES.items()}
