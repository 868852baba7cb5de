"""Simplify: views of views, algebra that keeps every bit, folded constants, dot_general's axes.

Rules are tried on each instruction as it is rebuilt, a rule's result is seen by the rules of its
users, and values are interned: one walk reaches a fixed point for chains. A rule must not change
any result but for the order of sums inside a contraction: x + 0 stays, as it turns -0.0 into 0.0.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from plait.core.compiler.rewrite import Builder, Value, rewrite
from plait.core.ir.derived import Derived
from plait.core.ir.extents import varies, varying
from plait.core.ir.graph import Graph, Instruction
from plait.core.ir.op import Lowering, elements
from plait.core.ops.contract import DOT_GENERAL
from plait.core.ops.elementwise import ALIAS, CAST, DETACH, DIV, MUL, NEG, SUB, WHERE
from plait.core.ops.numeric.contract import free_axes
from plait.core.ops.recurrent import GRU_SEQUENCE_GRAD, LSTM_SEQUENCE_GRAD
from plait.core.ops.source import FULL
from plait.core.ops.view import BROADCAST, RESHAPE, SLICE, TRANSPOSE
from plait.core.reference.executor import evaluate


def simplify(graph: Graph) -> Graph:
    """The graph with every rule applied."""
    return rewrite(graph, _rule)


def _rule(build: Builder, made: Instruction, args: tuple[Value, ...]) -> Value:
    if any(isinstance(arg, tuple) for arg in args):
        return None
    if made.op.lowering is Lowering.ELEMENTWISE and made.op.check is None:
        folded = _fold(build, made, args)
        if folded is not None:
            return folded
    rule = _RULES.get(made.op.name)
    return None if rule is None else rule(build, made, args)


def _constant(build: Builder, value: int) -> Any:
    """The number that a value holds everywhere, or None."""
    made = build.made(value)
    return made.attrs["value"] if made is not None and made.op is FULL else None


def _fold(build: Builder, made: Instruction, args: tuple[int, ...]) -> Value:
    """An elementwise op on constants: computed once, by the op's own reference."""
    if not args or made.op.reference is None:
        return None
    held = [_constant(build, arg) for arg in args]
    if any(number is None for number in held):
        return None
    dtypes = [build.spec(arg).dtype.numpy for arg in args]

    def compute(*numbers: Any) -> Any:
        arrays = [np.full((1,), number, dtype) for number, dtype in zip(numbers, dtypes)]
        with np.errstate(all="ignore"):
            result = evaluate(made.op, arrays, made.attrs, made.dtype)
        return _python_number(result.reshape(-1)[0], made.dtype)

    derived = [number for number in held if type(number) is Derived]
    if derived and made.dtype.kind in "iuf":
        number = derived[0].of.called(compute, held)
    else:
        number = compute(*held)
        number = varying(number) if varies(*held) else number
    return build.full(number, made.shape, made.dtype)


def _python_number(number: Any, dtype: Any) -> Any:
    if dtype.kind == "b":
        return bool(number)
    if dtype.kind in "iu":
        return int(number)
    return complex(number) if dtype.kind == "c" else float(number)


# -- views ----------------------------------------------------------------------------------------


def _reshape(build: Builder, made: Instruction, args: tuple[int, ...]) -> Value:
    (x,) = args
    inner = build.made(x)
    if inner is not None and inner.op is RESHAPE:
        x = inner.args[0]
    if inner is not None and inner.op is FULL:
        return build.full(inner.attrs["value"], made.shape, made.dtype)
    return build.reshape(x, made.shape)


def _moves_only_units(shape: tuple[int, ...], axes: tuple[int, ...]) -> bool:
    kept = [axis for axis in axes if shape[axis] != 1]
    return kept == sorted(kept)


def _transpose(build: Builder, made: Instruction, args: tuple[int, ...]) -> Value:
    (x,) = args
    axes = made.attrs["axes"]
    inner = build.made(x)
    if inner is not None:
        if inner.op is TRANSPOSE:
            x = inner.args[0]
            axes = tuple([inner.attrs["axes"][axis] for axis in axes])
        elif inner.op is FULL:
            return build.full(inner.attrs["value"], made.shape, made.dtype)
        elif inner.op is DOT_GENERAL:
            swapped = _swapped_dot(build, inner, axes)
            if swapped is not None:
                return swapped
    if _moves_only_units(build.spec(x).shape, axes):
        return build.reshape(x, made.shape)
    return build.transpose(x, axes)


def _swapped_dot(build: Builder, dot: Instruction, axes: tuple[int, ...]) -> Value:
    """transpose(a . b) = b . a where the transpose swaps the free axes of the two."""
    batch, contract = dot.attrs["batch"], dot.attrs["contract"]
    lead = len(batch[0])
    free_a = len(build.spec(dot.args[0]).shape) - lead - len(contract[0])
    rank = len(dot.shape)
    swapped = (*range(lead), *range(lead + free_a, rank), *range(lead, lead + free_a))
    if axes != swapped:
        return None
    return build.emit(
        DOT_GENERAL,
        dot.args[1],
        dot.args[0],
        contract=(contract[1], contract[0]),
        batch=(batch[1], batch[0]),
    )


def _broadcast(build: Builder, made: Instruction, args: tuple[int, ...]) -> Value:
    (x,) = args
    inner = build.made(x)
    if inner is not None and inner.op is FULL:
        return build.full(inner.attrs["value"], made.shape, made.dtype)
    if inner is not None and inner.op is BROADCAST:
        x = inner.args[0]
    if elements(build.spec(x).shape) == elements(made.shape):
        return build.reshape(x, made.shape)
    return build.broadcast(x, made.shape)


def _slice(build: Builder, made: Instruction, args: tuple[int, ...]) -> Value:
    inner = build.made(args[0])
    if inner is not None and inner.op is FULL:
        return build.full(inner.attrs["value"], made.shape, made.dtype)
    return args[0] if made.shape == build.spec(args[0]).shape else None


def _reduce(build: Builder, made: Instruction, args: tuple[int, ...]) -> Value:
    """A fold over axes of extent 1 changes nothing; the place of an extremum there is 0."""
    shape = build.spec(args[0]).shape
    if "axis" in made.attrs:
        return build.full(0, made.shape, made.dtype) if shape[made.attrs["axis"]] == 1 else None
    if all(shape[axis] == 1 for axis in made.attrs["axes"]):
        return build.cast(args[0], made.dtype)
    return None


# -- algebra --------------------------------------------------------------------------------------


def _cast(build: Builder, made: Instruction, args: tuple[int, ...]) -> Value:
    return args[0] if build.spec(args[0]).dtype is made.dtype else None


def _neg(build: Builder, made: Instruction, args: tuple[int, ...]) -> Value:
    inner = build.made(args[0])
    return inner.args[0] if inner is not None and inner.op is NEG else None


def _mul(build: Builder, made: Instruction, args: tuple[int, ...]) -> Value:
    a, b = args
    if made.dtype.kind == "b":
        return None
    if _constant(build, b) == 1:
        return a
    if _constant(build, a) == 1:
        return b
    return None


def _div(build: Builder, made: Instruction, args: tuple[int, ...]) -> Value:
    """x / c = x * (1/c), exact where c is a power of two; not where c is one now and then."""
    number = _constant(build, args[1])
    if (
        number is None
        or varies(number)
        or made.dtype.kind != "f"
        or not number
        or not math.isfinite(number)
    ):
        return None
    if number == 1:
        return args[0]
    mantissa, exponent = math.frexp(number)
    if abs(mantissa) != 0.5 or abs(exponent) > 14:
        return None
    return build.emit(MUL, args[0], build.full(1 / number, made.shape, made.dtype))


def _where(build: Builder, made: Instruction, args: tuple[int, ...]) -> Value:
    chosen = _constant(build, args[0])
    if chosen is not None:
        return args[1] if chosen else args[2]
    return args[1] if args[1] == args[2] else None


def _sub(build: Builder, made: Instruction, args: tuple[int, ...]) -> Value:
    """x - 0 is x, bit for bit."""
    number = _constant(build, args[1])
    positive_zero = number is not None and number == 0 and math.copysign(1, number) > 0
    return args[0] if positive_zero else None


# -- contractions ---------------------------------------------------------------------------------


def _dot(build: Builder, made: Instruction, args: tuple[int, ...]) -> Value:
    """Take transposes of operands into the axis numbers, where free axes keep their order."""
    batch, contract = list(made.attrs["batch"]), list(made.attrs["contract"])
    operands = list(args)
    for side in (0, 1):
        inner = build.made(operands[side])
        if inner is None or inner.op is not TRANSPOSE:
            continue
        axes = inner.attrs["axes"]
        free = free_axes(len(axes), contract[side], batch[side])
        moved = [axes[axis] for axis in free]
        if moved != sorted(moved):
            continue
        operands[side] = inner.args[0]
        batch[side] = tuple([axes[axis] for axis in batch[side]])
        contract[side] = tuple([axes[axis] for axis in contract[side]])
    if operands == list(args):
        return None
    return build.emit(DOT_GENERAL, *operands, contract=tuple(contract), batch=tuple(batch))


# -- recurrence -----------------------------------------------------------------------------------


def _without_zero_gates(build: Builder, made: Instruction, args: tuple[int, ...]) -> Value:
    """The gradient of the saved gates is nothing, save in second derivatives."""
    if _constant(build, args[-1]) != 0:
        return None
    return build.emit(made.op, *args[:-1], **made.attrs)


_RULES: dict[str, Any] = {
    RESHAPE.name: _reshape,
    TRANSPOSE.name: _transpose,
    BROADCAST.name: _broadcast,
    SLICE.name: _slice,
    **dict.fromkeys(("sum", "max", "min", "prod", "any", "all", "argmax", "argmin"), _reduce),
    CAST.name: _cast,
    ALIAS.name: lambda build, made, args: args[0],
    DETACH.name: lambda build, made, args: args[0],
    NEG.name: _neg,
    MUL.name: _mul,
    DIV.name: _div,
    SUB.name: _sub,
    WHERE.name: _where,
    DOT_GENERAL.name: _dot,
    LSTM_SEQUENCE_GRAD.name: _without_zero_gates,
    GRU_SEQUENCE_GRAD.name: _without_zero_gates,
}
