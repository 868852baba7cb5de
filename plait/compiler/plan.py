"""From a finished capture to a step: the graph, its inputs, its outputs and who gets them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any
from weakref import ref

import numpy as np

from plait._tensor import Tensor
from plait._types import device
from plait.compiler.parts import Argument, Fixed, GradOf, Object, Rows, Twin, View
from plait.compiler.stand_ins import layouts_of
from plait.compiler.step import Step
from plait.core.ir.dtypes import DType
from plait.core.ir.graph import Capture as GraphCapture
from plait.core.ir.graph import Graph, capture
from plait.core.ir.node import Node
from plait.core.ir.op import LEAF
from plait.core.lazy.capture import Capture, GradSlot, Input
from plait.core.lazy.cell import Cell
from plait.core.lazy.function import FunctionNode
from plait.core.lazy.grad import GradNode
from plait.core.lazy.replay.launch import realize
from plait.core.runtime.arrays import block_type
from plait.core.runtime.realize import compile_graph, held_outside
from plait.utils._pytree import tree_flatten

#: Kinds of results that are the same in each call of a kind.
_VALUES = (bool, int, float, complex, str, bytes, type(None), DType, device, type)


#: Why a call that makes what lasts cannot be captured.
KEPT = "a value made in the call is kept by something outside"


class Uncapturable(Exception):
    """Why a call, though recorded, cannot be replayed."""


def step_of(captured: Capture, result: Any, arguments: Sequence[Any]) -> tuple[Step, Any]:
    """(step, finish): `finish()` runs the program for the captured call itself.

    Raises Uncapturable, with nothing changed, where a replay would not be the same.
    """
    plan = _Plan(captured, result, arguments)
    inputs = captured.inputs.values()
    realize([held.node for held in inputs if held.node.value is None])
    for held in inputs:
        if held.tensor._grad_fn is not None:
            raise Uncapturable("a tensor read is the result of a recorded operation")
    return _Builder(plan).build()


class _Plan:
    """What of a finished capture the step needs, found while the recorded nodes still live."""

    def __init__(self, captured: Capture, result: Any, arguments: Sequence[Any]) -> None:
        self.captured = captured
        captured.forget_lost_gradients()
        self.cells: list[Cell] = []
        self.objects: list[Object] = []
        self._cell_numbers: dict[int, int] = {}
        self._object_numbers: dict[int, int] = {}
        self.arguments = {id(t): i for i, t in enumerate(arguments)}
        #: Tensors that were there, of which twins are returned.
        self.owners: list[Any] = []
        leaves, self.tree = tree_flatten(result)
        self.returned = {id(leaf) for leaf in leaves}
        self._flags()
        self.results = [self._place(leaf) for leaf in leaves]
        self.grads: list[tuple[Any, Any]] = []
        self.own_grads: list[tuple[Any, Any]] = []
        slots = [
            slot
            for slot in captured.grads.values()
            if slot.tensor._grad is not slot.before or not slot.decides
        ]
        cells = Counter(
            id(slot.tensor._grad._cell) for slot in slots if slot.tensor._grad is not None
        )
        for slot in slots:
            self._gradient(slot, cells)

    def _flags(self) -> None:
        """Guard which tensors require a gradient; those of arguments tell kinds of calls apart.

        Inputs are compared anyway, and what is returned may be new.
        """
        captured, host = self.captured, self.captured.host
        read = {id(held.tensor) for held in captured.inputs.values()}
        for held, required in captured.flags.values():
            tensor = held()
            if tensor is None or self.is_new(tensor):
                continue
            if tensor._requires_grad is not required:
                raise Uncapturable("the call changes which tensors require a gradient")
            if id(tensor) not in self.arguments and id(tensor) not in read:
                host.require(f"{host.name_of(tensor)}._requires_grad is {required}")

    def is_new(self, tensor: Any) -> bool:
        """Whether a tensor that is there still is so only as it is returned."""
        return id(tensor) in self.returned and id(tensor) not in self.arguments

    def _gradient(self, slot: GradSlot, cells: Counter[int]) -> None:
        """Note what the call leaves in a `.grad`."""
        held, owner = slot.tensor._grad, self.owner(slot.tensor)
        alone = (
            type(held) is Tensor
            and held._base is None
            and held._cell.era >= self.captured.era
            and held._grad_fn is None
            and not held._requires_grad
            and id(held._cell) not in self._cell_numbers
            and cells[id(held._cell)] == 1
            and type(owner) is not Argument
        )
        if alone:
            self.own_grads.append((owner, held))
        else:
            self.grads.append((owner, self._place(held)))

    def owner(self, tensor: Any) -> Any:
        """A tensor, or which argument it is."""
        number = self.arguments.get(id(tensor))
        return tensor if number is None else Argument(number)

    def _place(self, value: Any) -> Any:
        """How a replay makes this value again: an object's number, a view, an argument, or the
        value itself."""
        if not isinstance(value, (Tensor, *_VALUES)):
            # It may have been made by the call, and hold what later calls make anew.
            raise Uncapturable(f"an object of type {type(value).__name__} is returned")
        if not isinstance(value, Tensor):
            return value
        if id(value) in self.arguments:
            return Argument(self.arguments[id(value)])
        if value.is_sparse:
            return Rows(value, self._place(value._index), self._place(value._rows))
        if value._base is not None:
            if value.requires_grad:
                raise Uncapturable("a view that requires a gradient is returned")
            base = value
            while base._base is not None:
                base = base._base
            view = View(value, self._place(base))
            view.steps = value._path()
            return view
        if value._cell.era < self.captured.era:
            owner = self.captured.handles.get(id(value._cell))
            if owner is None or owner is value:
                return value
            self.owners.append(owner)
            return Twin(value, self._place(owner))
        return self._object(value)

    def _object(self, tensor: Any) -> Object:
        number = self._object_numbers.get(id(tensor))
        if number is None:
            _refuse_live_graph(tensor)
            number = self._object_numbers[id(tensor)] = len(self.objects)
            self.objects.append(Object(tensor, self._cell(tensor._cell), number))
        return self.objects[number]

    def _cell(self, cell: Cell) -> int:
        number = self._cell_numbers.get(id(cell))
        if number is None:
            number = self._cell_numbers[id(cell)] = len(self.cells)
            self.cells.append(cell)
        return number


def _refuse_live_graph(tensor: Any) -> None:
    """Raise Uncapturable where a returned tensor could still be differentiated."""
    stack = [tensor._grad_fn]
    seen: set[int] = set()
    while stack:
        function = stack.pop()
        if not isinstance(function, GradNode) or id(function) in seen:
            continue
        seen.add(id(function))
        if function.released:
            continue  # a pass has been there: none comes through it to what lies behind
        if _is_live(function):
            raise Uncapturable("a result is returned that backward() may still be called on")
        stack.extend(edge[0] for edge in function.edges if edge is not None)


def _is_live(function: GradNode) -> bool:
    """Whether a pass could go through an operation that none has gone through: by what it holds of
    this very call, or to a leaf, which may be an argument of it."""
    saved = function.inputs if isinstance(function.inputs, tuple) else ()
    output = function.output if isinstance(function.output, tuple) else (function.output,)
    if isinstance(function, FunctionNode) or any(type(x) is Node for x in (*saved, *output)):
        return True
    return any(edge is not None and not isinstance(edge[0], GradNode) for edge in function.edges)


class _Builder:
    """Makes the step of a plan."""

    def __init__(self, plan: _Plan) -> None:
        self.plan = plan
        self.captured = plan.captured
        self.step = Step()
        self.written = [cell for cell, _, _ in self.captured.written.values()]

    def build(self) -> tuple[Step, Callable[[], None]]:
        plan, step = self.plan, self.step
        owned = [held._cell for _, held in plan.own_grads]
        roots = [cell._node for cell in (*plan.cells, *owned, *self.written)]
        found = capture(roots)  # type: ignore[arg-type]  # cells that are written hold nodes
        self._refuse_escapes(found, roots, [*plan.cells, *owned])
        outputs = found.graph.outputs
        count = len(found.graph.inputs)
        made = list(dict.fromkeys(number for number in outputs if number >= count))
        graph = Graph(found.graph.inputs, found.graph.instructions, tuple(made))
        position = {number: k for k, number in enumerate(made)}
        handed: dict[int, int] = {}
        for number in outputs:
            if number < count and number not in handed:
                handed[number] = len(made) + len(handed)
        places = [position[n] if n >= count else handed[n] for n in outputs]
        first, second = len(plan.cells), len(plan.cells) + len(owned)
        step.cells = places[:first]
        step.own_grads = [
            (owner, place, Object(held, -1, -1))
            for (owner, held), place in zip(plan.own_grads, places[first:second])
        ]
        types = [found.graph.type_of(number) for number in (*made, *handed)]
        step.types = [{"shape": spec.shape, "dtype": spec.dtype} for spec in types]
        step.shared = {place for place in places if places.count(place) > 1}
        step.single = plan.tree.is_leaf()
        step.output_count = len(made)
        slots = self._inputs(found)
        donations = self._writes(places[second:], places, slots, set(handed))
        arguments = {slot for slot, _ in step.argument_slots}
        mutable = arguments | self.number_positions | {slot for slot, _ in step.drawn}
        step.passed = [(k, number, number in mutable) for number, k in handed.items()]
        self._rest(graph)
        step.only_computes = not (step.writes or step.own_grads or step.grads or step.number_slots)
        step.program, rewritable = compile_graph(graph, donations)
        for owner, place, spec in step.own_grads:
            if place in rewritable and block_type(spec.shape, spec.dtype.numpy) is not None:
                step.rewritten.append((owner, spec))
                step.places.append(rewritable[place])
        return step, lambda: self._finish(found, roots, places)

    def _refuse_escapes(self, found: GraphCapture, roots: list[Any], made: list[Cell]) -> None:
        """Raise Uncapturable where something besides the results keeps a value of this call."""
        # What the capture itself still refers to does not count.
        self._forget_views()
        for cell in made:
            cell.fallback = None
        wanted = {id(node) for node in roots}
        if any(id(node) not in wanted for node in held_outside(found)):
            raise Uncapturable(KEPT)

    def _forget_views(self) -> None:
        """Let the views that were read go; those that were there are to stay views of the same."""
        host, seen = self.captured.host, []
        while self.captured.views:
            view = self.captured.views.popitem()[1]
            view._cached = None
            if not self.plan.is_new(view):
                seen.append((ref(view), view._steps))
            del view
        for held, steps in seen:
            if (view := held()) is not None:
                host.require(f"{host.name_of(view)}._steps is {host.name_of(steps)}")

    def _inputs(self, found: GraphCapture) -> dict[int, int]:
        """Describe each input; gives the slot of each cell that was there."""
        captured, step = self.captured, self.step
        inputs = {id(held.node): held for held in captured.inputs.values()}
        slots: dict[int, int] = {}
        names: list[str] = []
        self.number_positions: set[int] = set()
        step.input_types = found.graph.inputs
        self.donated: set[int] = set()
        for slot, node in enumerate(found.leaves):
            step.template.append(None)
            held = inputs.get(id(node))
            if held is not None:
                slots[id(held.cell)] = slot
                self._tensor_input(slot, held)
            elif id(node) in captured.number_of:
                number, dtype = captured.number_of[id(node)]
                names.append(number.name)
                step.template[slot] = np.zeros((), dtype.numpy)
                step.number_slots.append(step.template[slot])
                self.number_positions.add(slot)
            elif id(node) not in captured.providers:
                if node.op is not LEAF:
                    raise Uncapturable("a value computed before the call is read")
                step.template[slot] = node.value
        positions = {id(node): slot for slot, node in enumerate(found.leaves)}
        for node, provider in captured.providers.values():
            step.drawn.append((positions.get(id(node), -1), provider))
        step.numbers = captured.host.build(names)
        return slots

    def _tensor_input(self, slot: int, held: Input) -> None:
        step = self.step
        if held.argument is not None:
            step.argument_slots.append((slot, held.argument))
        elif held.owner is not None:
            step.owned.append((slot, held.owner))
        else:
            tensor = held.tensor
            hooks = tensor._leaf_hooks
            step.fixed.append(
                Fixed(slot, tensor, tensor._cell, tensor._requires_grad, hooks, False)
            )
            if hooks is not None:
                post = getattr(tensor, "_post_accumulate_hooks", {})
                step.kept += [(held, tuple(held.values())) for held in (hooks, post)]

    def _writes(
        self, places: list[int], uses: list[int], slots: dict[int, int], handed: set[int]
    ) -> dict[int, int]:
        """Describe each write to a cell that was there; gives the donations."""
        donations: dict[int, int] = {}
        fixed = {held.slot for held in self.step.fixed}
        for place, (cell, _, before) in zip(places, self.captured.written.values()):
            slot = slots.get(id(cell))
            target = self._target(cell) if slot is None else slot
            self.step.writes.append((target, place, cell.version - before))
            alone = uses.count(place) == 1 and place < self.step.output_count
            if slot in fixed and slot not in handed and alone:
                donations[place] = slot
        targets = [place for place, _, _ in self.step.writes]
        self.step.elsewhere = [p for p in targets if type(p) not in (int, Argument)]
        donated = set(donations.values())
        self.step.fixed = [held._replace(writable=held.slot in donated) for held in self.step.fixed]
        return donations

    def _target(self, cell: Cell) -> Any:
        """Who has a cell that is written but not read by the program."""
        captured = self.captured
        held = captured.inputs.get(id(cell))
        if held is not None and held.argument is not None:
            return Argument(held.argument)
        owner = captured.grad_owner.get(id(cell))
        if owner is not None:
            return GradOf(owner)
        if held is not None:
            return held.tensor
        return captured.handles.get(id(cell), cell)

    def _rest(self, graph: Graph) -> None:
        plan, step, captured = self.plan, self.step, self.captured
        step.layouts = layouts_of(captured)
        step.objects, step.results, step.tree = plan.objects, plan.results, plan.tree
        step.grads = plan.grads
        step.owners = [(t, t._shape, t._dtype) for t in plan.owners if id(t) not in plan.arguments]
        for slot in captured.grads.values():
            owner = plan.owner(slot.tensor)
            if type(owner) is not Argument:
                if slot.decides:
                    step.grad_guards.append((slot.tensor, slot.before is None))
            elif slot.before is None:
                step.without_grads.append(owner.number)
            else:
                raise Uncapturable("the gradient that an argument has is read or written")
        states = {id(s): s for s, *_ in captured.kept}.values()
        dicts = [d for state in states for d in (state, *state.values())]
        step.kept += [(d, tuple(d.values())) for d in dicts]
        if any(made.op.check is not None for made in graph.instructions):
            step.generators = list(captured.generators.values())

    def _finish(self, found: GraphCapture, roots: list[Any], places: list[int]) -> None:
        """Compute the captured call itself."""
        donated = {held.slot for held in self.step.fixed if held.writable}
        arrays = [
            node.value.copy() if slot in donated else node.value
            for slot, node in enumerate(found.leaves)
        ]
        results = self.step.program(arrays)
        for node, place in zip(roots, places):
            if node.value is None:
                node.set_value(results[place])
        for cell in (*self.plan.cells, *self.written):
            cell.fallback = None
