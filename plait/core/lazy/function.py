"""User-defined differentiable functions: a forward and a backward in Python."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from plait.core.ir.errors import error
from plait.core.ir.node import Node, Spec
from plait.core.ir.op import Lowering, Op
from plait.core.lazy.grad import GradNode
from plait.core.lazy.modes import grad_mode, modes
from plait.core.lazy.tensor import LazyTensor
from plait.core.ops.source import full


def _infer_python(*inputs: Any) -> tuple[Any, Any]:
    raise AssertionError("python_function marks a grad node; it is never recorded as a node")


PYTHON_FUNCTION = Op("python_function", infer=_infer_python, lowering=Lowering.OPAQUE)


class FunctionNode(GradNode):
    """The grad node of a user-defined function: calls its backward."""

    __slots__ = ("call_backward", "label", "materialize")

    call_backward: Callable[..., Any]
    label: str
    materialize: bool

    def name(self) -> str:
        return self.label

    def apply(self, grads: list[Any], create_graph: bool) -> tuple:
        if self.released:
            self._check_usable()
        arguments = [self._argument(g, spec) for g, spec in zip(grads, self.output_types)]
        with grad_mode(create_graph):
            results = self.call_backward(*arguments)
        results = results if isinstance(results, (tuple, list)) else (results,)
        return tuple([self._checked(i, r, create_graph) for i, r in enumerate(results)])

    def _argument(self, grad: Any, spec: Spec) -> Any:
        if grad is None:
            if not self.materialize:
                return None
            grad = full(0, spec.shape, spec.dtype)
        return self.cls.of_value(grad, None) if type(grad) is Node else grad

    def _checked(self, index: int, result: Any, create_graph: bool) -> Any:
        if result is None:
            return None
        if not isinstance(result, LazyTensor):
            raise error(
                TypeError,
                f"{self.label}: expected gradient {index} to be a Tensor or None, received "
                f"{type(result).__name__}",
            )
        return result if create_graph else result.read()

    def release(self) -> None:
        self.released = True
        self.call_backward = _freed


def _freed(*grads: Any) -> Any:
    raise AssertionError("a freed function node is refused before its backward is called")


def attach(
    label: str,
    inputs: Sequence[LazyTensor | None],
    outputs: Sequence[LazyTensor],
    call_backward: Callable[..., Any],
    materialize: bool,
) -> FunctionNode | None:
    """Make `outputs` the results of a user-defined function of `inputs`.

    inputs: one entry per argument of the function; None for those that are not tensors.
    Returns the grad node, or None where no gradient is recorded.
    """
    if any(t is not None and t.is_in_graph for t in inputs):
        given = [t for t in inputs if t is not None]
        if modes.grad_enabled and any(t.requires_grad for t in given):
            for output in outputs:
                output.has_own_rule(label, given)
        return None
    edges = tuple([None if t is None else t.edge() for t in inputs])
    if not modes.grad_enabled or all(edge is None for edge in edges) or not outputs:
        return None
    specs = tuple([Spec(t.shape, t.dtype) for t in outputs])
    node = FunctionNode(PYTHON_FUNCTION, {}, (), edges, specs, [], outputs[0].plain)
    node.call_backward = call_backward
    node.label = label
    node.materialize = materialize
    for number, output in enumerate(outputs):
        output.continue_from(node, number)
    return node
