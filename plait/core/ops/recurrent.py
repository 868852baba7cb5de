"""LSTM and GRU over a whole sequence.

The input's share of all gates is a matrix product of its own, for all steps at once; these ops take
it ready and run what depends on the state. Sources: Hochreiter & Schmidhuber, *Long Short-Term
Memory* (1997); Cho et al., *Learning Phrase Representations using RNN Encoder-Decoder*
(arXiv:1406.1078), with the reset gate applied after the matrix product.

T: steps, B: batch, H: hidden size. With `reverse` time runs from the last step to the first; the
results stay in the order of the input.
"""

from __future__ import annotations

from typing import Any

from plait.core.ir.errors import ShapeError
from plait.core.ir.graph import trace
from plait.core.ir.node import Spec
from plait.core.ir.op import Lowering, Op
from plait.core.ops.contract import DOT_GENERAL
from plait.core.ops.control import SCAN
from plait.core.ops.elementwise import ADD, MUL, SUB, cast
from plait.core.ops.families import REAL, require_kind, require_same_dtype
from plait.core.ops.families import test_dtypes as dtypes_of_kinds
from plait.core.ops.math import SIGMOID, TANH, one_minus_square
from plait.core.ops.numeric import recurrent as numeric
from plait.core.ops.rows import spread, widen
from plait.core.ops.source import constant, full
from plait.core.ops.view import CONCAT, reshape, slice_axis, sum_to


def require_shapes(
    name: str, operands: tuple[Any, ...], shapes: dict[str, tuple[int, ...]]
) -> None:
    """Raise ShapeError or DTypeError unless the operands have the named shapes and one dtype."""
    require_same_dtype(name, *operands)
    require_kind(name, operands[0].dtype, REAL)
    received = [tuple(x.shape) for x in operands]
    if received != list(shapes.values()):
        wanted = ", ".join(f"{what} {list(shape)}" for what, shape in shapes.items())
        raise ShapeError(
            f"{name}: expected {wanted}, received {', '.join(str(list(s)) for s in received)}"
        )


def extents(name: str, x: Any, gates: int) -> tuple[int, int, int]:
    """(T, B, H) of a value of shape (T, B, gates * H)."""
    if len(x.shape) != 3 or x.shape[2] % gates:
        raise ShapeError(
            f"{name}: expected (T, B, {gates} * H) first, received shape {list(x.shape)}"
        )
    return x.shape[0], x.shape[1], x.shape[2] // gates


# -- pieces of the bodies -----------------------------------------------------------------------


def project(h: Any, w: Any) -> Any:
    """h w^T: (B, H) and (gates H, H) to (B, gates H)."""
    return DOT_GENERAL(h, w, contract=((1,), (1,)), batch=((), ()))


def pull(d: Any, w: Any) -> Any:
    """d w: (B, gates H) and (gates H, H) to (B, H)."""
    return DOT_GENERAL(d, w, contract=((1,), (0,)), batch=((), ()))


def weight_gradient(d: Any, before: Any) -> Any:
    """Sum over steps and batch of d before^T: (T, B, gates H), (T, B, H) to (gates H, H)."""
    return DOT_GENERAL(d, before, contract=((0, 1), (0, 1)), batch=((), ()))


def _split(x: Any, parts: int) -> list[Any]:
    axis = len(x.shape) - 1
    size = x.shape[axis] // parts
    return [slice_axis(x, axis, i * size, (i + 1) * size) for i in range(parts)]


def _join(*parts: Any) -> Any:
    return CONCAT(*parts, axis=len(parts[0].shape) - 1)


def states_before(first: Any, states: Any, reverse: bool) -> Any:
    """(T, B, H): the state that each step began with."""
    steps = states.shape[0]
    if steps == 0:
        return states
    first = reshape(first, (1, *first.shape))
    if reverse:
        return CONCAT(slice_axis(states, 0, 1, steps), first, axis=0)
    return CONCAT(first, slice_axis(states, 0, 0, steps - 1), axis=0)


def _slope_of_sigmoid(s: Any) -> Any:
    return MUL(s, SUB(constant(1, s), s))


def run_steps(
    turn: Any, constants: tuple, carries: tuple, stacked: tuple, steps: int, reverse: bool
) -> Any:
    """`scan` of a Python function of (constants, carries, slices)."""
    slices = [Spec(x.shape[1:], x.dtype) for x in stacked]
    held = [Spec(x.shape, x.dtype) for x in (*constants, *carries)]
    return SCAN(
        *constants,
        *carries,
        *stacked,
        body=trace(turn, [*held, *slices]),
        constants=len(constants),
        carries=len(carries),
        length=steps,
        reverse=reverse,
    )


def step_flops(gates: int, *, back: bool) -> Any:
    """Per step: a product with (gates H, H), and about 20 flops per activated element."""

    def flops(x: Any, *operands: Any, reverse: bool) -> int:
        steps, batch = x.shape[:2]
        hidden = x.shape[2] if back else x.shape[2] // gates
        return steps * batch * gates * hidden * (2 * hidden + 20)

    return flops


# -- LSTM -------------------------------------------------------------------------------------


def _infer_lstm(x: Any, h0: Any, c0: Any, w: Any, *, reverse: bool) -> tuple[Any, Any]:
    """An LSTM over a sequence: (hidden states, cell states, activated gates).

    x: (T, B, 4H), the input's share of the gates i, f, g, o with all biases; h0, c0: (B, H); w:
    (4H, H). Results (T, B, H), (T, B, H) and (T, B, 4H); the last is what the gradient reads.
    """
    steps, batch, size = extents("lstm_sequence", x, 4)
    state = (batch, size)
    shapes = {"x": x.shape, "h0": state, "c0": state, "w": (4 * size, size)}
    require_shapes("lstm_sequence", (x, h0, c0, w), shapes)
    states = (steps, batch, size)
    return (states, states, x.shape), (x.dtype,) * 3


def _lstm_turn(w: Any, h: Any, c: Any, x: Any) -> tuple[Any, ...]:
    i, f, g, o = _split(ADD(x, project(h, w)), 4)
    i, f, g, o = SIGMOID(i), SIGMOID(f), TANH(g), SIGMOID(o)
    c = ADD(MUL(f, c), MUL(i, g))
    h = MUL(o, TANH(c))
    return h, c, h, c, _join(i, f, g, o)


def _lstm_body(x: Any, h0: Any, c0: Any, w: Any, *, reverse: bool) -> tuple[Any, ...]:
    dtype = x.dtype
    x, h0, c0, w = widen(x), widen(h0), widen(c0), widen(w)
    results = run_steps(_lstm_turn, (w,), (h0, c0), (x,), x.shape[0], reverse)[2:]
    return tuple([cast(part, dtype) for part in results])


def _lstm_vjp(
    g: Any, y: Any, x: Any, h0: Any, c0: Any, w: Any, *, reverse: bool
) -> tuple[Any, ...]:
    dy, dc, dgates = g
    hidden, cells, gates = y
    dy = full(0, hidden.shape, hidden.dtype) if dy is None else dy
    dc = full(0, cells.shape, cells.dtype) if dc is None else dc
    more = () if dgates is None else (dgates,)
    dx, dh0, dc0 = LSTM_SEQUENCE_GRAD(dy, dc, gates, cells, c0, w, *more, reverse=reverse)
    return dx, dh0, dc0, weight_gradient(dx, states_before(h0, hidden, reverse))


LSTM_SEQUENCE = Op(
    "lstm_sequence",
    infer=_infer_lstm,
    lowering=Lowering.RECURRENT,
    reference=numeric.lstm,
    body=_lstm_body,
    vjp=_lstm_vjp,
    saves=(1, 2, 3, "y"),
    outputs=3,
    flops=step_flops(4, back=False),
    dtypes=dtypes_of_kinds(REAL),
)


def _infer_lstm_grad(
    dy: Any, dc: Any, gates: Any, cells: Any, c0: Any, w: Any, *dgates: Any, reverse: bool
) -> tuple[Any, Any]:
    """Gradients of `lstm_sequence` for x, h0 and c0: (T, B, 4H), (B, H), (B, H).

    dy, dc: (T, B, H), gradients of the hidden and of the cell states; gates: (T, B, 4H) and cells:
    (T, B, H), as the forward op gave them; c0: (B, H); w: (4H, H). dgates, optional: (T, B, 4H), a
    gradient of the activated gates, which second derivatives have.
    """
    steps, batch, size = extents("lstm_sequence_grad", gates, 4)
    states, state = (steps, batch, size), (batch, size)
    shapes = {"dy": states, "dc": states, "gates": gates.shape, "cells": states, "c0": state}
    shapes["w"] = (4 * size, size)
    if dgates:
        shapes["dgates"] = gates.shape
    require_shapes("lstm_sequence_grad", (dy, dc, gates, cells, c0, w, *dgates), shapes)
    return (gates.shape, state, state), (gates.dtype,) * 3


def _lstm_turn_back(
    w: Any, dh: Any, carried: Any, dy: Any, dc: Any, gates: Any, c: Any, before: Any, *dgates: Any
) -> tuple[Any, ...]:
    i, f, g, o = _split(gates, 4)
    squashed = TANH(c)
    dh = ADD(dh, dy)
    dc = ADD(ADD(carried, dc), MUL(MUL(dh, o), one_minus_square(squashed)))
    parts = [MUL(dc, g), MUL(dc, before), MUL(dc, i), MUL(dh, squashed)]
    for extra in dgates:
        parts = [ADD(part, more) for part, more in zip(parts, _split(extra, 4))]
    slopes = [_slope_of_sigmoid(i), _slope_of_sigmoid(f), one_minus_square(g), _slope_of_sigmoid(o)]
    dx = _join(*[MUL(part, slope) for part, slope in zip(parts, slopes)])
    return pull(dx, w), MUL(dc, f), dx


def _lstm_grad_body(
    dy: Any, dc: Any, gates: Any, cells: Any, c0: Any, w: Any, *dgates: Any, reverse: bool
) -> tuple[Any, ...]:
    dtype = gates.dtype
    cells, c0 = widen(cells), widen(c0)
    stacked = (widen(dy), widen(dc), widen(gates), cells, states_before(c0, cells, reverse))
    stacked = (*stacked, *[widen(extra) for extra in dgates])
    zero = full(0, c0.shape, c0.dtype)
    steps = gates.shape[0]
    dh, carried, dx = run_steps(
        _lstm_turn_back, (widen(w),), (zero, zero), stacked, steps, not reverse
    )
    return cast(dx, dtype), cast(dh, dtype), cast(carried, dtype)


LSTM_SEQUENCE_GRAD = Op(
    "lstm_sequence_grad",
    infer=_infer_lstm_grad,
    lowering=Lowering.RECURRENT,
    reference=numeric.lstm_grad,
    body=_lstm_grad_body,
    outputs=3,
    flops=step_flops(4, back=True),
    dtypes=dtypes_of_kinds(REAL),
)

# -- GRU --------------------------------------------------------------------------------------


def _infer_gru(x: Any, h0: Any, w: Any, *bias: Any, reverse: bool) -> tuple[Any, Any]:
    """A GRU over a sequence: (hidden states, activated gates).

    x: (T, B, 3H), the input's share of the gates r, z, n; h0: (B, H); w: (3H, H); bias, optional:
    (3H,), that of the hidden projection, which the reset gate multiplies in n. Results (T, B, H)
    and (T, B, 4H): r, z, n and the hidden projection's share of n, which the gradient reads.
    """
    steps, batch, size = extents("gru_sequence", x, 3)
    shapes = {"x": x.shape, "h0": (batch, size), "w": (3 * size, size)}
    if bias:
        shapes["bias"] = (3 * size,)
    require_shapes("gru_sequence", (x, h0, w, *bias), shapes)
    return ((steps, batch, size), (steps, batch, 4 * size)), (x.dtype,) * 2


def _gru_turn(w: Any, *rest: Any) -> tuple[Any, ...]:
    *bias, h, x = rest
    x_r, x_z, x_n = _split(x, 3)
    projected = project(h, w)
    for part in bias:
        projected = ADD(projected, spread(part, projected))
    h_r, h_z, h_n = _split(projected, 3)
    r, z = SIGMOID(ADD(x_r, h_r)), SIGMOID(ADD(x_z, h_z))
    n = TANH(ADD(x_n, MUL(r, h_n)))
    h = ADD(n, MUL(z, SUB(h, n)))
    return h, h, _join(r, z, n, h_n)


def _gru_body(x: Any, h0: Any, w: Any, *bias: Any, reverse: bool) -> tuple[Any, ...]:
    dtype = x.dtype
    constants = (widen(w), *[widen(part) for part in bias])
    results = run_steps(_gru_turn, constants, (widen(h0),), (widen(x),), x.shape[0], reverse)[1:]
    return tuple([cast(part, dtype) for part in results])


def _gru_vjp(g: Any, y: Any, x: Any, h0: Any, w: Any, *bias: Any, reverse: bool) -> tuple[Any, ...]:
    dy, dgates = g
    hidden, gates = y
    dy = full(0, hidden.shape, hidden.dtype) if dy is None else dy
    more = () if dgates is None else (dgates,)
    dx, into_h, dh0 = GRU_SEQUENCE_GRAD(dy, hidden, gates, h0, w, *more, reverse=reverse)
    of_bias = [sum_to(into_h, part.shape) for part in bias]
    return dx, dh0, weight_gradient(into_h, states_before(h0, hidden, reverse)), *of_bias


GRU_SEQUENCE = Op(
    "gru_sequence",
    infer=_infer_gru,
    lowering=Lowering.RECURRENT,
    reference=numeric.gru,
    body=_gru_body,
    vjp=_gru_vjp,
    saves=(1, 2, "y"),
    outputs=2,
    flops=step_flops(3, back=False),
    dtypes=dtypes_of_kinds(REAL),
)


def _infer_gru_grad(
    dy: Any, y: Any, gates: Any, h0: Any, w: Any, *dgates: Any, reverse: bool
) -> tuple[Any, Any]:
    """Gradients of `gru_sequence` for x, for the hidden projection, and for h0.

    dy: (T, B, H); y: (T, B, H) and gates: (T, B, 4H), as the forward op gave them; h0: (B, H); w:
    (3H, H). dgates, optional: (T, B, 4H), a gradient of `gates`, which second derivatives have.
    Results (T, B, 3H), (T, B, 3H) and (B, H).
    """
    steps, batch, size = extents("gru_sequence_grad", gates, 4)
    states, state = (steps, batch, size), (batch, size)
    shapes = {"dy": states, "y": states, "gates": gates.shape, "h0": state, "w": (3 * size, size)}
    if dgates:
        shapes["dgates"] = gates.shape
    require_shapes("gru_sequence_grad", (dy, y, gates, h0, w, *dgates), shapes)
    projected = (steps, batch, 3 * size)
    return (projected, projected, state), (gates.dtype,) * 3


def _gru_turn_back(
    w: Any, dh: Any, dy: Any, gates: Any, before: Any, *dgates: Any
) -> tuple[Any, ...]:
    r, z, n, within = _split(gates, 4)
    dh = ADD(dh, dy)
    dn, dz = MUL(dh, SUB(constant(1, z), z)), MUL(dh, SUB(before, n))
    more = _split(dgates[0], 4) if dgates else ()
    if more:
        dz, dn = ADD(dz, more[1]), ADD(dn, more[2])
    dn = MUL(dn, one_minus_square(n))
    dr, dwithin = MUL(dn, within), MUL(dn, r)
    if more:
        dr, dwithin = ADD(dr, more[0]), ADD(dwithin, more[3])
    dr, dz = MUL(dr, _slope_of_sigmoid(r)), MUL(dz, _slope_of_sigmoid(z))
    into_h = _join(dr, dz, dwithin)
    return ADD(MUL(dh, z), pull(into_h, w)), _join(dr, dz, dn), into_h


def _gru_grad_body(
    dy: Any, y: Any, gates: Any, h0: Any, w: Any, *dgates: Any, reverse: bool
) -> tuple[Any, ...]:
    dtype = gates.dtype
    h0 = widen(h0)
    stacked = (widen(dy), widen(gates), states_before(h0, widen(y), reverse))
    stacked = (*stacked, *[widen(extra) for extra in dgates])
    zero = full(0, h0.shape, h0.dtype)
    dh, dx, into_h = run_steps(
        _gru_turn_back, (widen(w),), (zero,), stacked, gates.shape[0], not reverse
    )
    return cast(dx, dtype), cast(into_h, dtype), cast(dh, dtype)


GRU_SEQUENCE_GRAD = Op(
    "gru_sequence_grad",
    infer=_infer_gru_grad,
    lowering=Lowering.RECURRENT,
    reference=numeric.gru_grad,
    body=_gru_grad_body,
    outputs=3,
    flops=step_flops(3, back=True),
    dtypes=dtypes_of_kinds(REAL),
)
