"""The record of a differentiable operation, and the walk back over such records.

A `GradNode` keeps of its op what the derivative rule reads and nothing else, so that a forward
value lives as long as a backward pass may need it. Tensors hold grad nodes; grad nodes hold nodes
and the grad nodes of their inputs, or the leaf tensors themselves: there are no cycles.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

from plait.core.autodiff.rules import apply_vjp
from plait.core.ir.errors import error
from plait.core.ir.node import Node, Spec, Unneeded
from plait.core.ir.op import Op
from plait.core.lazy.grad_names import grad_name
from plait.core.lazy.modes import grad_mode, modes
from plait.core.ops.complex_parts import CONJ
from plait.core.ops.elementwise import ADD
from plait.core.ops.source import full

if TYPE_CHECKING:
    from plait.core.lazy.cell import Cell
    from plait.core.lazy.tensor import LazyTensor

#: Where a gradient goes: a grad node and the number of its output, or a leaf tensor and 0.
Edge = tuple[Any, int]

_FREED = (
    "Trying to backward through the graph a second time (or directly access saved tensors after "
    "they have already been freed). Saved intermediate values of the graph are freed when you call "
    ".backward() or autograd.grad(). Specify retain_graph=True if you need to backward through the "
    "graph a second time or if you need to access saved tensors after calling backward."
)


#: The numbers of grad nodes.
orders = count()


class GradNode:
    """One differentiable operation that was recorded.

    inputs: the operand nodes that the rule reads, `Spec`s for the others.
    output: the output node (a tuple for several outputs), or Specs where the rule does not read it.
    edges: per operand where its gradient goes, None where it needs none.
    versions: (cell, version) of the tensors read, to notice later in-place writes.
    order: its number in the order of recording, in which passes go back.
    run, place: where the recorder has entered it (see replay); None once a pass has freed it.
    """

    __slots__ = (
        "__weakref__",
        "attrs",
        "cls",
        "edges",
        "hooks",
        "inputs",
        "op",
        "order",
        "output",
        "output_types",
        "place",
        "released",
        "run",
        "versions",
    )

    def __init__(
        self,
        op: Op,
        attrs: dict[str, Any],
        inputs: tuple[Any, ...],
        edges: tuple[Edge | None, ...],
        outputs: Any,
        versions: list[tuple[Cell, int]],
        cls: type[LazyTensor],
    ) -> None:
        self.op = op
        self.attrs = attrs
        self.inputs = inputs
        self.edges = edges
        self.output = outputs
        parts = outputs if isinstance(outputs, tuple) else (outputs,)
        self.output_types = tuple([Spec(part.shape, part.dtype) for part in parts])
        #: A list, which in-place writes add to; of what is released, and where a repeated step
        #: watches nothing, a tuple.
        self.versions: Any = versions
        self.cls = cls
        self.hooks: dict[int, dict[int, Callable]] | None = None
        self.released = False
        self.order = next(orders)
        self.run: Any = None
        self.place = 0

    def name(self) -> str:
        """PyTorch's manner of naming: MulBackward0."""
        return grad_name(self)

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """The grad nodes of the operands; leaves as `AccumulateGrad`."""
        return tuple(
            [(None, 0) if edge is None else (_function_of(edge), edge[1]) for edge in self.edges]
        )

    def register_hook(self, hook: Callable) -> Callable[[], None]:
        """Call `hook(grad_inputs, grad_outputs)` after this node's derivative has been applied."""
        return add_hook(self, -1, hook)

    def __repr__(self) -> str:
        return f"<{self.name()} object at {id(self):#x}>"

    def apply(self, grads: list[Any], create_graph: bool) -> tuple:
        """Gradients of the operands from those of the outputs (nodes, or tensors to record on).

        Those of complex values are PyTorch's; the rules take and give their conjugates.
        """
        self._check_usable()
        inputs, output = self.inputs, self.output
        if create_graph:
            inputs = tuple([self._recorded(x, edge) for x, edge in zip(inputs, self.edges)])
            output = self._recorded_output()
        grads = _conjugates(grads)
        grad = tuple(grads) if isinstance(self.output, tuple) else grads[0]
        return tuple(_conjugates(apply_vjp(self.op, self.attrs, inputs, output, grad)))

    def _check_usable(self) -> None:
        if self.released:
            raise error(RuntimeError, _FREED)
        for cell, version in self.versions:
            if cell.version != version:
                raise error(
                    RuntimeError,
                    "one of the variables needed for gradient computation has been modified by an "
                    f"inplace operation: a value that {self.name()} (result "
                    f"{', '.join(map(repr, self.output_types))}) reads is at version "
                    f"{cell.version}; expected version {version} instead. Hint: write to a clone() "
                    "of it, or after backward().",
                )

    def _recorded(self, value: Any, edge: Edge | None) -> Any:
        """A saved operand as a tensor that continues the graph."""
        return value if isinstance(value, Spec) else self.cls.of_value(value, edge)

    def _recorded_output(self) -> Any:
        if isinstance(self.output, tuple):
            return tuple([self._recorded(y, (self, i)) for i, y in enumerate(self.output)])
        return self._recorded(self.output, (self, 0))

    def output_moved(self, old: Cell, new: Cell) -> None:
        """The output was written in place into another cell: watch that one from now on."""
        if self.op.watches_output:
            self.versions = [v for v in self.versions if v[0] is not old]
            self.versions.append((new, new.version + 1))

    def release(self) -> None:
        """Let the saved values go after a backward pass."""
        self.run = None
        if self.op.saved_inputs or self.op.saves_output or self.op.vjp is None:
            self.released = True
            self.inputs = ()
            self.output = ()
            self.versions = ()


def _conjugates(grads: Sequence[Any]) -> list[Any]:
    return [CONJ(g) if g is not None and g.dtype.is_complex else g for g in grads]


class AccumulateGrad:
    """Stands for a leaf tensor in `next_functions`."""

    __slots__ = ("variable",)

    def __init__(self, variable: LazyTensor) -> None:
        self.variable = variable

    next_functions = ()

    def name(self) -> str:
        return "torch::autograd::AccumulateGrad"

    def __repr__(self) -> str:
        return f"<AccumulateGrad object at {id(self):#x}>"


def _function_of(edge: Edge) -> Any:
    target = edge[0]
    return AccumulateGrad(target) if _is_leaf(target) else target


def _is_leaf(target: Any) -> bool:
    return not isinstance(target, GradNode)


def add_hook(function: Any, output: int, hook: Callable) -> Callable[[], None]:
    """Attach a hook to an output of a grad node (-1: to the node); gives the call that
    removes it."""
    if function.hooks is None:
        function.hooks = {}
    held = function.hooks.setdefault(output, {})
    key = max(held, default=-1) + 1
    held[key] = hook
    return lambda: held.pop(key, None) and None


def record(
    op: Op,
    attrs: dict[str, Any],
    nodes: tuple[Node, ...],
    edges: tuple[Edge | None, ...],
    outputs: Any,
    cells: Sequence[Cell | None],
    cls: type[LazyTensor],
) -> GradNode:
    """The grad node of an op just recorded; `cells` are the operands' cells."""
    saved = read_operands(op, edges)
    if len(saved) > len(nodes):
        saved = tuple(range(len(nodes)))  # of a rule that reads all operands, however many
    if op.vjp is None:
        inputs: tuple[Any, ...] = nodes
    else:
        inputs = tuple(
            [x if i in saved else _stand_in(op, i, x.shape, x.dtype) for i, x in enumerate(nodes)]
        )
    if not op.saves_output:
        if isinstance(outputs, tuple):
            outputs = tuple([Spec(y.shape, y.dtype) for y in outputs])
        else:
            outputs = Spec(outputs.shape, outputs.dtype)
    versions = [
        (cell, cell.version) for i in saved if i < len(cells) and (cell := cells[i]) is not None
    ]
    return GradNode(op, attrs, inputs, edges, outputs, versions, cls)


def read_operands(op: Op, edges: tuple[Edge | None, ...]) -> tuple[int, ...]:
    """The operands that the gradients needed here read."""
    if op.vjp is None:
        return tuple(range(len(edges)))
    if op.reads is None:
        return op.saved_inputs
    needed = {i for reads, edge in zip(op.reads, edges) if edge is not None for i in reads}
    return tuple(needed)


def _stand_in(op: Op, position: int, shape: tuple[int, ...], dtype: Any) -> Spec:
    kind = Unneeded if position in op.saved_inputs else Spec
    return kind(shape, dtype)


def _push(ready: list[tuple[float, int, Any]], target: Any) -> None:
    order = -math.inf if _is_leaf(target) else -target.order
    heapq.heappush(ready, (order, next(orders), target))


# -- the walk ---------------------------------------------------------------------------------


class Walk:
    """One backward pass.

    wanted: leaf tensors or (grad node, output) pairs whose gradients are captured instead of
    accumulated; None accumulates into every leaf's `.grad`.
    """

    def __init__(self, create_graph: bool, wanted: list[Edge] | None, accumulate: bool) -> None:
        self.create_graph = create_graph
        self.accumulate = accumulate
        self.wanted = None if wanted is None else {(id(f), n) for f, n in wanted}
        self.captured: dict[tuple[int, int], Any] = {}
        self.slots: dict[int, list[Any]] = {}
        self.waiting: dict[int, int] = {}
        self.needed: set[int] | None = None
        self.visited: list[Any] = []

    def run(self, roots: list[tuple[Edge, Any]]) -> None:
        """Push the root gradients back to the leaves."""
        starts = list({id(edge[0]): edge[0] for edge, _ in roots}.values())
        self._count(starts)
        for (target, number), grad in roots:
            self._add(target, number, grad)
        # What was recorded last comes first, and leaves at once, as in PyTorch: the order in which
        # several gradients are added up is that of the program.
        ready: list[tuple[float, int, Any]] = []
        for target in starts:
            if self.waiting.get(id(target), 0) == 0:
                _push(ready, target)
        with grad_mode(self.create_graph):
            while ready:
                target = heapq.heappop(ready)[2]
                for edge, grad in self._step(target):
                    following = edge[0]
                    if grad is not None:
                        self._add(following, edge[1], grad)
                    self.waiting[id(following)] -= 1
                    if self.waiting[id(following)] == 0:
                        _push(ready, following)

    def release(self) -> None:
        """Free what the visited nodes saved."""
        for target in self.visited:
            target.release()

    def _count(self, starts: list[Any]) -> None:
        """How many gradients each grad node waits for; which nodes lead to what is wanted."""
        seen: set[int] = set()
        finished: list[Any] = []
        stack = [(target, False) for target in starts]
        while stack:
            target, done = stack.pop()
            if done:
                finished.append(target)
                continue
            if id(target) in seen:
                continue
            seen.add(id(target))
            stack.append((target, True))
            if _is_leaf(target):
                continue
            for edge in target.edges:
                if edge is not None:
                    self.waiting[id(edge[0])] = self.waiting.get(id(edge[0]), 0) + 1
                    if id(edge[0]) not in seen:
                        stack.append((edge[0], False))
        if self.wanted is not None:
            ids = {target for target, _ in self.wanted}
            self.needed = set()
            for target in finished:  # operands come before their users
                leads = not _is_leaf(target) and any(
                    e is not None and (id(e[0]) in self.needed) for e in target.edges
                )
                if leads or id(target) in ids:
                    self.needed.add(id(target))

    def _add(self, target: Any, number: int, grad: Any) -> None:
        slots = self.slots.get(id(target))
        if slots is None:
            count = 1 if _is_leaf(target) else len(target.output_types)
            slots = self.slots[id(target)] = [None] * count
        held = slots[number]
        slots[number] = grad if held is None else ADD(held, grad)

    def _step(self, target: Any) -> list[tuple[Edge, Any]]:
        """Handle one node whose gradients are complete; what flows on along its edges."""
        grads = self.slots.pop(id(target), None)
        if _is_leaf(target):
            if grads is not None:
                self._arrive(target, grads[0])
            return []
        edges = [edge for edge in target.edges if edge is not None]
        if grads is None or (self.needed is not None and id(target) not in self.needed):
            return [(edge, None) for edge in edges]
        self.visited.append(target)
        self._hook_outputs(target, grads)
        for number in range(len(grads)):
            self._capture(target, number, grads[number])
        if self.needed is not None and not any(id(e[0]) in self.needed for e in edges):
            return [(edge, None) for edge in edges]
        results = target.apply(grads, self.create_graph)
        if modes.checks_nan:
            self._refuse_nan(target, results)
        if target.hooks and -1 in target.hooks:
            results = self._hook_node(target, results, grads)
        return [
            (edge, results[i] if i < len(results) else None)
            for i, edge in enumerate(target.edges)
            if edge is not None
        ]

    def _refuse_nan(self, target: Any, results: Sequence[Any]) -> None:
        for number, (result, edge) in enumerate(zip(results, target.edges)):
            if edge is None or result is None or not result.dtype.is_differentiable:
                continue
            value = self._tensor(result, target.cls).compute()
            if np.isnan(value).any():
                raise error(
                    RuntimeError,
                    f"Function '{target.name()}' returned nan values in its {number}th output.",
                )

    def _capture(self, target: Any, number: int, grad: Any) -> None:
        if self.wanted is not None and (id(target), number) in self.wanted and grad is not None:
            self.captured[id(target), number] = grad

    def _tensor(self, grad: Any, cls: type[LazyTensor]) -> LazyTensor:
        return cls.of_value(grad, None) if type(grad) is Node else grad

    def _value(self, tensor: LazyTensor) -> Any:
        return tensor if self.create_graph else tensor.read()

    def _changed(self, result: Any) -> Any:
        """What a hook makes of a gradient."""
        if not hasattr(result, "read"):  # no tensor
            raise error(
                TypeError,
                f"expected Variable, but hook returned '{type(result).__name__}'",
            )
        return self._value(result)

    def _hook_outputs(self, target: Any, grads: list[Any]) -> None:
        if not target.hooks:
            return
        for number, hooks in target.hooks.items():
            if number < 0 or grads[number] is None:
                continue
            for hook in list(hooks.values()):
                result = hook(self._tensor(grads[number], target.cls))
                if result is not None:
                    grads[number] = self._changed(result)

    def _hook_node(self, target: Any, results: tuple, grads: list[Any]) -> tuple:
        def tensors(values: Any) -> tuple:
            return tuple([None if v is None else self._tensor(v, target.cls) for v in values])

        for hook in list(target.hooks[-1].values()):
            changed = hook(tensors(results), tensors(grads))
            if changed is not None:
                changed = changed if isinstance(changed, tuple) else (changed,)
                results = tuple([None if t is None else self._changed(t) for t in changed])
        return results

    def _arrive(self, tensor: LazyTensor, grad: Any) -> None:
        """A gradient is complete at a leaf: run its hooks, then keep or accumulate it."""
        hooks = tensor.leaf_hooks()
        for hook in hooks:
            result = hook(self._tensor(grad, tensor.plain))
            if result is not None:
                grad = self._changed(result)
        self._capture(tensor, 0, grad)
        wanted = self.wanted is None or (id(tensor), 0) in self.wanted
        if self.accumulate and wanted:
            tensor.accumulate_grad(self._tensor(grad, tensor.plain), self.create_graph)


def ones_for(value: Any) -> Node:
    """The gradient that a scalar starts from."""
    return full(1, value.shape, value.dtype)
