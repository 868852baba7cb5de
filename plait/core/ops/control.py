"""Control flow as ops that hold sub-graphs: `cond`, `while`, `scan`.

Their attributes include `Graph`s. Two things these records need lie in higher layers and are handed
in by those that run them: the executor gives `run(graph, arrays) -> arrays` to the reference, and
autodiff gives `graph_vjp(graph) -> graph` to the derivative rule. A `graph_vjp` takes the inputs of
its graph, then a cotangent for each differentiable output, and gives a gradient for each
differentiable input.

All three have several outputs, so a call gives a tuple.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from plait.core.ir import dtypes
from plait.core.ir.errors import DTypeError, ShapeError
from plait.core.ir.graph import Graph, trace
from plait.core.ir.node import Spec
from plait.core.ir.op import Lowering, Op
from plait.core.ops.elementwise import ADD
from plait.core.ops.source import full

Run = Callable[[Graph, Sequence[np.ndarray]], list[np.ndarray]]
GraphVjp = Callable[[Graph], Graph]

#: These rules read all operands, however many: positions past the last are of no effect.
_EVERY_INPUT = tuple(range(4096))


# -- types ------------------------------------------------------------------------------------


def _output_specs(graph: Graph) -> list[Spec]:
    return [graph.type_of(number) for number in graph.outputs]


def _types(values: Sequence[Any]) -> list[tuple[Any, Any]]:
    return [(value.shape, value.dtype) for value in values]


def _text(values: Sequence[Any]) -> str:
    return "(" + ", ".join(f"{v.dtype.name}{list(v.shape)}" for v in values) + ")"


def _require_types(what: str, wanted: Sequence[Any], received: Sequence[Any]) -> None:
    """Raise ShapeError unless two lists of values have the same types, one by one."""
    if _types(wanted) != _types(received):
        raise ShapeError(f"{what}: expected {_text(wanted)}, received {_text(received)}")


def _require_predicate(what: str, value: Any) -> None:
    if value.dtype is not dtypes.bool_ or value.shape != ():
        raise DTypeError(
            f"{what}: expected a bool of no axes, received {value.dtype.name}{list(value.shape)}"
        )


def _as_outputs(specs: Sequence[Any]) -> tuple[Any, Any]:
    return tuple([s.shape for s in specs]), tuple([s.dtype for s in specs])


def _differentiable(values: Sequence[Any]) -> list[int]:
    return [i for i, value in enumerate(values) if value.dtype.is_differentiable]


def graph_flops(graph: Graph) -> int:
    """Work of one run of a graph."""
    return sum(
        made.op.flops(*[graph.type_of(arg) for arg in made.args], **made.attrs)
        for made in graph.instructions
    )


# -- cond -------------------------------------------------------------------------------------


def _infer_cond(pred: Any, *operands: Any, then: Graph, orelse: Graph) -> tuple[Any, Any]:
    """The outputs of `then` on the operands where `pred` holds, else those of `orelse`."""
    _require_predicate("cond: predicate", pred)
    _require_types("cond: inputs of the first branch", operands, then.inputs)
    _require_types("cond: inputs of the second branch", operands, orelse.inputs)
    specs = _output_specs(then)
    _require_types("cond: outputs of the second branch", specs, _output_specs(orelse))
    return _as_outputs(specs)


def _cond(
    pred: np.ndarray, *operands: np.ndarray, then: Graph, orelse: Graph, run: Run
) -> tuple[np.ndarray, ...]:
    return tuple(run(then if pred else orelse, operands))


def _cond_vjp(
    g: Any, y: Any, pred: Any, *operands: Any, then: Graph, orelse: Graph, graph_vjp: GraphVjp
) -> tuple[Any, ...]:
    cotangents = [g[i] for i in _differentiable(_output_specs(then))]
    grads = COND(pred, *operands, *cotangents, then=graph_vjp(then), orelse=graph_vjp(orelse))
    result: list[Any] = [None] * (1 + len(operands))
    for position, grad in zip(_differentiable(operands), grads):
        result[1 + position] = grad
    return tuple(result)


COND = Op(
    "cond",
    infer=_infer_cond,
    lowering=Lowering.CONTROL,
    reference=_cond,
    vjp=_cond_vjp,
    saves=_EVERY_INPUT,
    outputs=lambda *inputs, then, orelse: len(then.outputs),
    flops=lambda *inputs, then, orelse: max(graph_flops(then), graph_flops(orelse)),
    moves_only=True,
    dtypes=dtypes.COMMON,
)


# -- while ------------------------------------------------------------------------------------


def _infer_while(*state: Any, condition: Graph, body: Graph) -> tuple[Any, Any]:
    """The state after `body` has been applied to it as long as `condition` holds of it."""
    _require_types("while: inputs of the condition", state, condition.inputs)
    _require_types("while: inputs of the body", state, body.inputs)
    _require_types("while: outputs of the body", state, _output_specs(body))
    if len(condition.outputs) != 1:
        raise ShapeError(f"while: the condition has {len(condition.outputs)} outputs, not one")
    _require_predicate("while: condition", condition.type_of(condition.outputs[0]))
    return _as_outputs(state)


def _while(*state: np.ndarray, condition: Graph, body: Graph, run: Run) -> tuple[np.ndarray, ...]:
    values: Sequence[np.ndarray] = state
    while run(condition, values)[0]:
        values = run(body, values)
    return tuple(values)


def _while_vjp(g: Any, y: Any, *state: Any, **attrs: Any) -> Any:
    raise RuntimeError(
        f"while: a loop whose number of turns is known only when it runs has no reverse "
        f"derivative (state {_text(state)}); use `scan` with a fixed length, or detach its operands"
    )


WHILE = Op(
    "while",
    infer=_infer_while,
    lowering=Lowering.CONTROL,
    reference=_while,
    vjp=_while_vjp,
    outputs=lambda *state, condition, body: len(state),
    # Of one turn: how many there are is known only when it runs.
    flops=lambda *state, condition, body: graph_flops(condition) + graph_flops(body),
    moves_only=True,
    dtypes=dtypes.COMMON,
)


# -- scan -------------------------------------------------------------------------------------


def _infer_scan(
    *operands: Any, body: Graph, constants: int, carries: int, length: int, reverse: bool
) -> tuple[Any, Any]:
    """A loop over the leading axis of stacked operands, with values carried from turn to turn.

    operands: `constants` that each turn sees, `carries`, then stacked values (length, ...).
    body: (constants, carries, one slice of each stacked value) -> (carries, slices of results).
    Gives the last carries, then the results stacked. `reverse` goes from the last slice to the
    first, results in place.
    """
    if constants < 0 or carries < 0 or constants + carries > len(operands):
        raise ShapeError(
            f"scan: {constants} constants and {carries} carries of {len(operands)} operands"
        )
    held = operands[: constants + carries]
    stacked = operands[constants + carries :]
    for value in stacked:
        if not value.shape or value.shape[0] != length:
            raise ShapeError(
                f"scan: expected stacked operands of leading extent {length}, received "
                f"{_text(stacked)}"
            )
    slices = [Spec(value.shape[1:], value.dtype) for value in stacked]
    _require_types("scan: inputs of the body", [*held, *slices], body.inputs)
    results = _output_specs(body)
    _require_types("scan: carries of the body", held[constants:], results[:carries])
    stacks = [Spec((length, *spec.shape), spec.dtype) for spec in results[carries:]]
    return _as_outputs([*results[:carries], *stacks])


def _scan(
    *operands: np.ndarray,
    body: Graph,
    constants: int,
    carries: int,
    length: int,
    reverse: bool,
    run: Run,
) -> tuple[np.ndarray, ...]:
    fixed = operands[:constants]
    carried = list(operands[constants : constants + carries])
    stacked = operands[constants + carries :]
    results = [
        np.empty((length, *spec.shape), spec.dtype.numpy) for spec in _output_specs(body)[carries:]
    ]
    turns = range(length - 1, -1, -1) if reverse else range(length)
    for turn in turns:
        # The ellipsis keeps a slice of one-axis operands an array.
        outputs = run(body, [*fixed, *carried, *[x[turn, ...] for x in stacked]])
        carried = outputs[:carries]
        for result, value in zip(results, outputs[carries:]):
            result[turn] = value
    return (*carried, *results)


def _scan_vjp(
    g: Any,
    y: Any,
    *operands: Any,
    body: Graph,
    constants: int,
    carries: int,
    length: int,
    reverse: bool,
    graph_vjp: GraphVjp,
) -> tuple[Any, ...]:
    """A scan the other way round over the carries that each turn began with.

    Those are computed again by a first scan. The second carries the gradients of the carries and
    the sums of those of the constants.
    """
    held = constants + carries
    specs = [Spec(x.shape, x.dtype) for x in operands]
    floats = _differentiable(specs)
    grad_carries = [g[i] for i in range(carries) if specs[constants + i].dtype.is_differentiable]
    grad_results = [
        g[i]
        for i in range(carries, len(g))
        if body.type_of(body.outputs[i]).dtype.is_differentiable
    ]
    sums = [full(0, specs[i].shape, specs[i].dtype) for i in floats if i < constants]
    begun: tuple[Any, ...] = ()
    if carries:
        begun = SCAN(
            *operands,
            body=_carries_of_each_turn(body, constants, carries),
            constants=constants,
            carries=carries,
            length=length,
            reverse=reverse,
        )[carries:]
    found = SCAN(
        *operands[:constants],
        *sums,
        *grad_carries,
        *begun,
        *operands[held:],
        *grad_results,
        body=_turn_back(body, graph_vjp(body), constants, carries),
        constants=constants,
        carries=len(sums) + len(grad_carries),
        length=length,
        reverse=not reverse,
    )
    result: list[Any] = [None] * len(operands)
    for position, grad in zip(floats, found):
        result[position] = grad
    return tuple(result)


def _carries_of_each_turn(body: Graph, constants: int, carries: int) -> Graph:
    """`body` with the carries that it began with as its results."""

    def turn(*inputs: Any) -> tuple[Any, ...]:
        outputs = body.replay(*inputs)
        return (*outputs[:carries], *inputs[constants : constants + carries])

    return trace(turn, body.inputs)


def _turn_back(body: Graph, body_vjp: Graph, constants: int, carries: int) -> Graph:
    """One turn of the scan for the gradients.

    Inputs: constants; sums of the constants' gradients, gradients of the carries; then the slices:
    carries at the start, operands, gradients of the results. Outputs: sums, gradients of the
    carries; gradients of the operands' slices.
    """
    fixed = list(body.inputs[:constants])
    began = list(body.inputs[constants : constants + carries])
    slices = list(body.inputs[constants + carries :])
    outputs = _output_specs(body)
    summed = [fixed[i] for i in _differentiable(fixed)]
    flowing = [began[i] for i in _differentiable(began)]
    arriving = [outputs[i] for i in _differentiable(outputs) if i >= carries]
    groups = [fixed, summed, flowing, began, slices, arriving]

    def turn(*inputs: Any) -> tuple[Any, ...]:
        parts = []
        start = 0
        for group in groups:
            parts.append(inputs[start : start + len(group)])
            start += len(group)
        constant, total, flow, begin, slice_, arrive = parts
        grads = body_vjp.replay(*constant, *begin, *slice_, *flow, *arrive)
        n = len(total)
        return (*[ADD(t, grad) for t, grad in zip(total, grads[:n])], *grads[n:])

    return trace(turn, [spec for group in groups for spec in group])


SCAN = Op(
    "scan",
    infer=_infer_scan,
    lowering=Lowering.CONTROL,
    reference=_scan,
    vjp=_scan_vjp,
    saves=_EVERY_INPUT,
    outputs=lambda *operands, body, **attrs: len(body.outputs),
    flops=lambda *operands, body, length, **attrs: length * graph_flops(body),
    moves_only=True,
    dtypes=dtypes.COMMON,
)
