"""Elementwise ops on register values: one emitter for each op, found by the op's name.

Values are in the register form of `vectors`: bool is i1, and 16-bit floats are carried as float32.
Each op's result is rounded to 16 bits, as it is where ops are not fused: a program's results do not
depend on what was fused, and a product that underflows is zero before its sign is asked for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from plait.core.codegen import casts, division, special, vecmath, vectors
from plait.core.codegen.text import Function, spread_constant
from plait.core.codegen.values import Values
from plait.core.codegen.vecmath_power import power
from plait.core.ir.dtypes import DType
from plait.core.ir.graph import Graph, Instruction
from plait.core.ir.op import Op

#: An emitter: the values' writer, the operands, the kind of their dtype ("b", "i", "u", "f").
Emitter = Callable[[Values, Sequence[str], str], str]


def supports(made: Instruction, in_dtypes: Sequence[DType]) -> bool:
    """Whether `emit_op` knows the op on these dtypes."""
    name = made.op.name
    if name == "cast":
        return vectors.is_supported(in_dtypes[0]) and vectors.is_supported(made.attrs["dtype"])
    if not all(vectors.is_supported(d) for d in in_dtypes):
        return False
    # What tells the dtype is the last operand: the first of `where` is its condition.
    return name in _EMITTERS and in_dtypes[-1].kind in _KINDS.get(name, "biuf")


def emit(f: Function, graph: Graph, inputs: Sequence[str], lanes: int) -> list[str]:
    """The outputs of a graph of elementwise ops, `lanes` elements of each."""
    values = list(inputs)
    for made in graph.instructions:
        kinds = [graph.type_of(a).dtype for a in made.args]
        operands = [values[a] for a in made.args]
        values.append(emit_op(f, made.op, made.attrs, kinds, made.dtype, operands, lanes))
    return [values[o] for o in graph.outputs]


def emit_op(
    f: Function,
    op: Op,
    attrs: dict[str, Any],
    in_dtypes: Sequence[DType],
    out_dtype: DType,
    operands: Sequence[str],
    lanes: int,
) -> str:
    """One op on `lanes` elements. Raises KeyError for an op that is not supported.

    Besides what `supports` names: "full", and "broadcast" and "reshape" of values that are in the
    right lanes already.
    """
    name = op.name
    if name in ("alias", "broadcast", "reshape"):
        return operands[0]
    if name == "full":
        # Rounded to the dtype: a number of 16 bits in a register is one of that type.
        value = np.asarray(attrs["value"]).astype(out_dtype.numpy).item()
        return spread_constant(vectors.register_type(out_dtype, lanes), value)
    if name == "cast":
        return casts.cast(f, operands[0], in_dtypes[0], out_dtype, lanes)
    dtype = in_dtypes[-1]
    v = Values(f, vectors.register_type(dtype, lanes))
    made = _EMITTERS[name](v, operands, dtype.kind)
    return made if name in _EXACT else vectors.rounded(f, out_dtype, made, lanes)


# -- arithmetic -------------------------------------------------------------------------------


def _instruction(floats: str, integers: str, truths: str = "") -> Emitter:
    """A binary op that is one instruction, by kind."""

    def emitter(v: Values, x: Sequence[str], kind: str) -> str:
        what = {"f": floats, "b": truths or integers}.get(kind, integers)
        return v.do(what, x[0], x[1])

    return emitter


def _reciprocal(v: Values, x: Sequence[str], kind: str) -> str:
    return v.div(v.const(1), x[0])


def _rsqrt(v: Values, x: Sequence[str], kind: str) -> str:
    return v.div(v.const(1), v.call("sqrt", x[0]))


def _neg(v: Values, x: Sequence[str], kind: str) -> str:
    return v.neg(x[0]) if kind == "f" else v.do("sub", v.const(0), x[0])


def _abs(v: Values, x: Sequence[str], kind: str) -> str:
    if kind == "u":
        return x[0]
    if kind == "f":
        return v.call("fabs", x[0])
    return v.select(v.icmp("slt", x[0], v.const(0)), v.do("sub", v.const(0), x[0]), x[0])


def _less(v: Values, a: str, b: str, kind: str) -> str:
    if kind == "f":
        return v.fcmp("olt", a, b)
    return v.icmp("slt" if kind == "i" else "ult", a, b)


def _sign(v: Values, x: Sequence[str], kind: str) -> str:
    zero, one = v.const(0), v.const(1)
    positive = v.select(_less(v, zero, x[0], kind), one, zero)
    if kind == "u":
        return positive
    return v.select(_less(v, x[0], zero, kind), v.const(-1), positive)


def _relu(v: Values, x: Sequence[str], kind: str) -> str:
    if kind == "u":
        return x[0]
    zero = v.const(0)
    # Nan stays; -0 becomes 0.
    stays = v.fcmp("ugt", x[0], zero) if kind == "f" else v.icmp("sgt", x[0], zero)
    return v.select(stays, x[0], zero)


def _extremum(v: Values, x: Sequence[str], kind: str, *, greatest: bool) -> str:
    """Nan if either is."""
    a, b = x
    if kind == "b":
        return v.do("or" if greatest else "and", a, b)
    first = _less(v, b, a, kind) if greatest else _less(v, a, b, kind)
    if kind == "f":
        first = v.either(first, v.fcmp("uno", a, a))
    return v.select(first, a, b)


def _divides(rule: Callable[[Values, str, str, str], str]) -> Emitter:
    return lambda v, x, kind: rule(v, x[0], x[1], kind)


def _shift(v: Values, x: Sequence[str], kind: str, *, left: bool) -> str:
    return division.shift(v, x[0], x[1], kind, left)


def _intrinsic(name: str) -> Emitter:
    """A unary op of floats that is one LLVM intrinsic."""
    return lambda v, x, kind: v.call(name, x[0])


# -- comparisons, logic, selection ------------------------------------------------------------


def _comparison(name: str) -> Emitter:
    def emitter(v: Values, x: Sequence[str], kind: str) -> str:
        if kind == "f":
            return v.fcmp("une" if name == "ne" else "o" + name, x[0], x[1])
        order = "" if name in ("eq", "ne") else "s" if kind == "i" else "u"
        return v.icmp(order + name, x[0], x[1])

    return emitter


def _not(v: Values, x: Sequence[str], kind: str) -> str:
    return v.do("xor", x[0], v.const(1 if kind == "b" else -1))


def _where(v: Values, x: Sequence[str], kind: str) -> str:
    return v.select(x[0], x[1], x[2])


def _size_test(how: str, bound: float | None) -> Emitter:
    """A comparison of |x| with a bound, or of x with itself; integers are always finite."""

    def emitter(v: Values, x: Sequence[str], kind: str) -> str:
        if kind != "f":
            return spread_constant(v.truths, how == "one")
        if bound is None:
            return v.fcmp(how, x[0], x[0])
        return v.fcmp(how, v.call("fabs", x[0]), v.const(bound))

    return emitter


# -- transcendental functions -----------------------------------------------------------------


def _library(name: str) -> Emitter:
    """A function of the C library, lane by lane."""
    return lambda v, x, kind: v.per_lane(name + "f" * (v.element == "float"), x)


def _vector_math(name: str) -> Emitter:
    """Our own function, where there is one for the type; else the C library's."""

    def emitter(v: Values, x: Sequence[str], kind: str) -> str:
        table = vecmath.FUNCTIONS if v.element == "float" else vecmath.DOUBLE_FUNCTIONS
        return table[name](v, x[0]) if name in table else _library(name)(v, x, kind)

    return emitter


def _pow(v: Values, x: Sequence[str], kind: str) -> str:
    return power(v, x[0], x[1]) if v.element == "float" else v.per_lane("pow", x)


def _times_log(log: str) -> Emitter:
    """x log(y), or x log1p(y); 0 where x is 0 and y is not nan."""
    logarithm = _vector_math(log)

    def emitter(v: Values, x: Sequence[str], kind: str) -> str:
        zero = v.const(0)
        nothing = v.both(v.fcmp("oeq", x[0], zero), v.fcmp("ord", x[1], x[1]))
        return v.select(nothing, zero, v.mul(x[0], logarithm(v, x[1:], kind)))

    return emitter


def _entropy(v: Values, x: Sequence[str], kind: str) -> str:
    """-x log(x); 0 at 0, -inf below."""
    zero = v.const(0)
    y = v.mul(v.neg(x[0]), _vector_math("log")(v, x, kind))
    y = v.select(v.fcmp("oeq", x[0], zero), zero, y)
    return v.select(v.fcmp("olt", x[0], zero), v.const(-math.inf), y)


#: Ops that are functions of the C library by the same name.
_LIBRARY = (
    *("tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "asinh", "acosh", "atanh"),
    "erfc",
)

_EMITTERS: dict[str, Emitter] = {
    "alias": lambda v, x, kind: x[0],
    "add": _instruction("fadd", "add", "or"),
    "sub": _instruction("fsub", "sub", "xor"),
    "mul": _instruction("fmul", "mul", "and"),
    "and": _instruction("", "and"),
    "or": _instruction("", "or"),
    "xor": _instruction("", "xor"),
    "div": _instruction("fdiv", ""),
    "floor_div": _divides(division.floor_div),
    "trunc_div": _divides(division.trunc_div),
    "remainder": _divides(division.remainder),
    "fmod": _divides(division.fmod),
    "shift_left": partial(_shift, left=True),
    "shift_right": partial(_shift, left=False),
    "reciprocal": _reciprocal,
    "rsqrt": _rsqrt,
    "neg": _neg,
    "abs": _abs,
    "sign": _sign,
    "relu": _relu,
    "maximum": partial(_extremum, greatest=True),
    "minimum": partial(_extremum, greatest=False),
    "sqrt": _intrinsic("sqrt"),
    "floor": _intrinsic("floor"),
    "ceil": _intrinsic("ceil"),
    "trunc": _intrinsic("trunc"),
    "round": _intrinsic("roundeven"),
    **{name: _comparison(name) for name in ("eq", "ne", "lt", "le", "gt", "ge")},
    "not": _not,
    "where": _where,
    "isnan": _size_test("uno", None),
    "isinf": _size_test("oeq", math.inf),
    "isfinite": _size_test("one", math.inf),
    **{name: _library(name) for name in _LIBRARY},
    "pow": _pow,
    "xlogy": _times_log("log"),
    "xlog1py": _times_log("log1p"),
    "entr": _entropy,
    **{name: _vector_math(name) for name in vecmath.FUNCTIONS},
    **special.EMITTERS,
}

_FLOATS_ONLY = (
    *(*_LIBRARY, *vecmath.FUNCTIONS, *special.EMITTERS),
    *("pow", "xlogy", "xlog1py", "entr", "div", "reciprocal", "rsqrt", "sqrt"),
)
_ROUNDINGS = ("floor", "ceil", "trunc", "round")
_BITS = ("and", "or", "xor", "not")
#: Ops whose results on 16-bit floats are such floats already.
_EXACT = frozenset(("neg", "abs", "sign", "relu", "maximum", "minimum", "where", *_ROUNDINGS))

#: Kinds of dtypes that an op is supported on, where not all.
_KINDS = {
    **dict.fromkeys((*_FLOATS_ONLY, *_ROUNDINGS), "f"),
    **dict.fromkeys(_BITS, "biu"),
    **dict.fromkeys(("shift_left", "shift_right"), "iu"),
    **dict.fromkeys(("neg", "abs", "sign", "relu"), "iuf"),
    **dict.fromkeys(("floor_div", "trunc_div", "remainder", "fmod"), "iuf"),
}
