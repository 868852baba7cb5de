"""Elman networks over a whole sequence: h' = tanh or relu of (x + W h).

Source: Elman, *Finding Structure in Time* (1990). The input's share `x` is computed outside, as for
the LSTM (see `recurrent.py`, also for the letters T, B, H and for `reverse`).
"""

from __future__ import annotations

from typing import Any

from plait.core.ir.op import Lowering, Op
from plait.core.ops.elementwise import ADD, LE, MUL, WHERE, cast
from plait.core.ops.families import REAL
from plait.core.ops.families import test_dtypes as dtypes_of_kinds
from plait.core.ops.math import RELU, TANH, one_minus_square
from plait.core.ops.numeric import recurrent as numeric
from plait.core.ops.recurrent import (
    extents,
    project,
    pull,
    require_shapes,
    run_steps,
    states_before,
    weight_gradient,
)
from plait.core.ops.rows import widen
from plait.core.ops.source import constant, full


def _flops(x: Any, *operands: Any, relu: bool, reverse: bool) -> int:
    steps, batch, size = x.shape
    return steps * batch * size * (2 * size + 20)


def _infer_elman(x: Any, h0: Any, w: Any, *, relu: bool, reverse: bool) -> tuple[Any, Any]:
    """Hidden states (T, B, H) of an Elman network.

    x: (T, B, H), the input's share with all biases; h0: (B, H); w: (H, H). With `relu` in place of
    tanh.
    """
    _, batch, size = extents("elman_sequence", x, 1)
    shapes = {"x": x.shape, "h0": (batch, size), "w": (size, size)}
    require_shapes("elman_sequence", (x, h0, w), shapes)
    return x.shape, x.dtype


def _elman_body(x: Any, h0: Any, w: Any, *, relu: bool, reverse: bool) -> Any:
    activation = RELU if relu else TANH

    def turn(w: Any, h: Any, x: Any) -> tuple[Any, ...]:
        h = activation(ADD(x, project(h, w)))
        return h, h

    held = (widen(w),), (widen(h0),), (widen(x),)
    return cast(run_steps(turn, *held, x.shape[0], reverse)[1], x.dtype)


def _elman_vjp(
    g: Any, y: Any, x: Any, h0: Any, w: Any, *, relu: bool, reverse: bool
) -> tuple[Any, ...]:
    dx, dh0 = ELMAN_SEQUENCE_GRAD(g, y, w, relu=relu, reverse=reverse)
    return dx, dh0, weight_gradient(dx, states_before(h0, y, reverse))


ELMAN_SEQUENCE = Op(
    "elman_sequence",
    infer=_infer_elman,
    lowering=Lowering.RECURRENT,
    reference=numeric.elman,
    body=_elman_body,
    vjp=_elman_vjp,
    saves=(1, 2, "y"),
    flops=_flops,
    dtypes=dtypes_of_kinds(REAL),
)


def _infer_elman_grad(dy: Any, y: Any, w: Any, *, relu: bool, reverse: bool) -> tuple[Any, Any]:
    """Gradients of `elman_sequence` for x and h0: (T, B, H), (B, H).

    dy: (T, B, H); y: (T, B, H), as the forward op gave it; w: (H, H).
    """
    _, batch, size = extents("elman_sequence_grad", dy, 1)
    shapes = {"dy": dy.shape, "y": dy.shape, "w": (size, size)}
    require_shapes("elman_sequence_grad", (dy, y, w), shapes)
    return (dy.shape, (batch, size)), (dy.dtype,) * 2


def _elman_grad_body(dy: Any, y: Any, w: Any, *, relu: bool, reverse: bool) -> tuple[Any, ...]:
    def turn(w: Any, dh: Any, dy: Any, y: Any) -> tuple[Any, ...]:
        d = ADD(dh, dy)
        if relu:
            zero = constant(0, d)
            d = WHERE(LE(y, zero), zero, d)
        else:
            d = MUL(d, one_minus_square(y))
        return pull(d, w), d

    wide = widen(dy)
    zero = full(0, dy.shape[1:], wide.dtype)
    held = (widen(w),), (zero,), (wide, widen(y))
    dh, dx = run_steps(turn, *held, dy.shape[0], not reverse)
    return cast(dx, dy.dtype), cast(dh, dy.dtype)


ELMAN_SEQUENCE_GRAD = Op(
    "elman_sequence_grad",
    infer=_infer_elman_grad,
    lowering=Lowering.RECURRENT,
    reference=numeric.elman_grad,
    body=_elman_grad_body,
    outputs=2,
    flops=_flops,
    dtypes=dtypes_of_kinds(REAL),
)
