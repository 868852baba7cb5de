"""Entry points of differentiation on tensors: `backward` and `grad`, as PyTorch defines them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from plait.core.batching.levels import body_era
from plait.core.ir.errors import error
from plait.core.lazy.capture import watch
from plait.core.lazy.grad import Edge, GradNode, Walk, ones_for
from plait.core.lazy.modes import modes
from plait.core.lazy.replay.backward import learn, replay
from plait.core.lazy.replay.block import Block
from plait.core.lazy.replay.block_backward import backward_through_blocks
from plait.core.lazy.replay.thread import threads
from plait.core.lazy.tensor import LazyTensor
from plait.core.ops.elementwise import cast


def backward(
    tensors: Sequence[LazyTensor],
    gradients: Sequence[LazyTensor | None],
    retain_graph: bool,
    create_graph: bool,
    inputs: Sequence[LazyTensor] | None = None,
) -> None:
    """Accumulate the gradients of `tensors` into the `.grad` of the leaves they depend on.

    gradients: one per tensor; None for a tensor of one element. inputs: accumulate into these only.
    Raises RuntimeError as PyTorch does (no graph, not a scalar, freed graph, wrong shapes).
    """
    _refuse_in_body(tensors)
    plain = inputs is None and not create_graph and not retain_graph and not modes.checks_nan
    if plain and len(tensors) == 1 and gradients[0] is None and _from_scalar(tensors[0]):
        return
    roots = [_root(i, t, g, create_graph) for i, (t, g) in enumerate(zip(tensors, gradients))]
    wanted = None
    if inputs is not None:
        if not inputs:
            raise error(RuntimeError, "backward: `inputs` argument cannot be empty.")
        wanted = [_target(i, t) for i, t in enumerate(inputs)]
    walk = Walk(create_graph, wanted, accumulate=True)
    walk.run(roots)
    for tensor, target in zip(inputs or (), wanted or ()):
        captured = walk.captured.get((id(target[0]), target[1]))
        if target[0] is not tensor and captured is not None:
            tensor.accumulate_grad(_as_tensor(captured, tensor), create_graph)
    if not retain_graph:
        walk.release()


def grad(
    outputs: Sequence[LazyTensor],
    inputs: Sequence[LazyTensor],
    grad_outputs: Sequence[LazyTensor | None],
    retain_graph: bool,
    create_graph: bool,
    allow_unused: bool,
    materialize_grads: bool = False,
) -> tuple[LazyTensor | None, ...]:
    """The gradients of the sum of `outputs` with respect to `inputs`, accumulating nothing.

    Raises RuntimeError for an input that the outputs do not depend on, unless `allow_unused`.
    """
    roots = [_root(i, t, g, create_graph) for i, (t, g) in enumerate(zip(outputs, grad_outputs))]
    targets = [_target(i, t) for i, t in enumerate(inputs)]
    walk = Walk(create_graph, targets, accumulate=False)
    walk.run(roots)
    results: list[LazyTensor | None] = []
    for tensor, (function, number) in zip(inputs, targets):
        captured = walk.captured.get((id(function), number))
        if captured is None and materialize_grads:
            captured = ones_for(tensor)
            captured = type(captured)(captured.op, (), {**captured.attrs, "value": 0})
        if captured is None and not allow_unused:
            raise error(
                RuntimeError,
                "One of the differentiated Tensors appears to not have been used in the graph. Set "
                "allow_unused=True if this is the desired behavior.",
            )
        results.append(None if captured is None else _as_tensor(captured, tensor))
    if not retain_graph:
        walk.release()
    return tuple(results)


def _refuse_in_body(tensors: Sequence[LazyTensor]) -> None:
    if body_era():
        raise error(
            RuntimeError,
            "control flow: backward() in a body of control flow, which is recorded once, would not "
            f"add to the gradients in each turn (tensors of shapes "
            f"{[list(t.shape) for t in tensors]}); use torch.func.grad or torch.func.vjp in it",
        )


def _from_scalar(tensor: LazyTensor) -> bool:
    """The usual pass: from one loss, freeing the graph. False where it is not that simple."""
    edge = tensor.edge()
    if edge is None or type(edge[0]) is not GradNode or math.prod(tensor.shape) != 1:
        return False
    if type(edge[0].run) is Block and threads.in_blocks and watch.active is None:
        backward_through_blocks(*edge, tensor.shape, tensor.dtype)
    elif not replay(*edge):
        learn(*edge, ones_for(tensor))
    return True


def _as_tensor(value: Any, like: LazyTensor) -> LazyTensor:
    return value if isinstance(value, LazyTensor) else like.plain.of_value(value, None)


def _target(index: int, tensor: LazyTensor) -> Edge:
    edge = tensor.edge()
    if edge is None:
        raise error(
            RuntimeError,
            f"One of the differentiated Tensors does not require grad: input {index} has shape "
            f"{list(tensor.shape)} and dtype {tensor.dtype}",
        )
    return edge


def _root(
    index: int, tensor: LazyTensor, gradient: LazyTensor | None, create_graph: bool
) -> tuple[Edge, Any]:
    edge = tensor.edge()
    if edge is None:
        raise error(
            RuntimeError,
            f"element {index} of tensors does not require grad and does not have a grad_fn",
        )
    if gradient is None:
        if tensor.read().size != 1:
            raise error(
                RuntimeError,
                f"grad can be implicitly created only for scalar outputs, received shape "
                f"{list(tensor.shape)}",
            )
        start: Any = ones_for(tensor)
        return edge, tensor.plain.of_value(start, None) if create_graph else start
    if gradient.shape != tensor.shape:
        raise error(
            RuntimeError,
            f"Mismatch in shape: grad_output[{index}] has a shape of {list(gradient.shape)} and "
            f"output[{index}] has a shape of {list(tensor.shape)}.",
        )
    given: Any = cast(gradient, tensor.dtype)
    return edge, given if create_graph else given.read()
