"""A captured call as one program: what goes in, what comes out, and where it is put.

Takes a finished `Capture` and what the call returned; gives a `Step` whose `replay` does the same
again for other arguments: it fetches the inputs, runs the program once, and leaves tensors, their
gradients and optimizer state as the call itself would have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from sys import getrefcount
from typing import Any

import numpy as np

from plait._tensor import Tensor
from plait.core.ir.graph import Capture as GraphCapture
from plait.core.ir.graph import Graph, capture
from plait.core.ir.node import Node
from plait.core.ir.op import LEAF
from plait.core.lazy.capture import Capture, GradSlot, Input
from plait.core.lazy.cell import ALONE, Cell, compute_all, leaf_of
from plait.core.lazy.grad import GradNode
from plait.core.lazy.views import Layout, Step as ViewStep
from plait.core.runtime.realize import compile_graph, held_outside
from plait.utils._pytree import TreeSpec, tree_flatten, tree_unflatten


#: Given back by `Step.replay` where a guard fails; nothing has happened then.
MISS: Any = object()


class Uncapturable(Exception):
    """Why a call, though recorded, cannot be replayed."""


class _Object:
    """A base tensor that the call makes: a handle on cell number `cell`."""

    __slots__ = ("cell", "cls", "dtype", "grad_fn", "index", "number", "required", "shape")

    def __init__(self, tensor: Any, cell: int, index: int) -> None:
        self.index = index
        self.cell = cell
        self.cls = type(tensor)
        self.shape = tensor._shape
        self.dtype = tensor._dtype
        self.required = tensor._requires_grad
        self.grad_fn = tensor._grad_fn
        self.number = tensor._output_number


class _View:
    """A view that the call returns, of an object or of a tensor that was there."""

    __slots__ = ("base", "cls", "dtype", "layout", "shape", "steps")

    def __init__(self, tensor: Any, base: Any) -> None:
        self.base = base
        self.cls = type(tensor)
        self.shape = tensor._shape
        self.dtype = tensor._dtype
        self.steps: tuple[ViewStep, ...] = tensor._steps
        self.layout: Layout | None = tensor._layout


class _Argument:
    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number


class _Plan:
    """What of a finished capture the step needs, found while the recorded nodes still live."""

    def __init__(self, captured: Capture, result: Any, arguments: Sequence[Any]) -> None:
        self.captured = captured
        self.cells: list[Cell] = []
        self.objects: list[_Object] = []
        self._cell_numbers: dict[int, int] = {}
        self._object_numbers: dict[int, int] = {}
        self._arguments = {id(t): i for i, t in enumerate(arguments)}
        leaves, self.tree = tree_flatten(result)
        self.results = [self._place(leaf) for leaf in leaves]
        self.grads = [
            (self._owner(slot.tensor), self._place(slot.tensor._grad))
            for slot in captured.grads.values()
            if slot.tensor._grad is not slot.before or not slot.decides
        ]

    def _owner(self, tensor: Any) -> Any:
        number = self._arguments.get(id(tensor))
        return tensor if number is None else _Argument(number)

    def _place(self, value: Any) -> Any:
        """How a replay makes this value again: an object's number, a view, an argument, or the
        value itself."""
        if not isinstance(value, Tensor):
            return value
        if id(value) in self._arguments:
            return _Argument(self._arguments[id(value)])
        if value._base is not None:
            if value.requires_grad:
                raise Uncapturable("a view that requires a gradient is returned")
            base = value
            while base._base is not None:
                base = base._base
            view = _View(value, self._place(base))
            view.steps = value._path()
            return view
        if value._cell.era < self.captured.era:
            return value
        return self._object(value)

    def _object(self, tensor: Any) -> _Object:
        number = self._object_numbers.get(id(tensor))
        if number is None:
            _refuse_live_graph(tensor)
            number = self._object_numbers[id(tensor)] = len(self.objects)
            self.objects.append(_Object(tensor, self._cell(tensor._cell), number))
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
        saved = function.inputs if isinstance(function.inputs, tuple) else ()
        output = function.output if isinstance(function.output, tuple) else (function.output,)
        if not function.released and any(type(x) is Node for x in (*saved, *output)):
            raise Uncapturable("a result is returned that backward() may still be called on")
        stack.extend(edge[0] for edge in function.edges if edge is not None)


class Step:
    """A program with its inputs and outputs. Made from a capture by `Step.of`."""

    def __init__(self) -> None:
        self.template: list[Any] = []
        #: (slot, tensor, requires_grad, whether its memory may be written)
        self.fixed: list[tuple[int, Any, bool, bool]] = []
        self.argument_slots: list[tuple[int, int]] = []
        self.owned: list[tuple[int, Any]] = []
        self.drawn: list[tuple[int, Callable[[], np.ndarray]]] = []
        self.number_slots: list[np.ndarray] = []
        #: (slot or cell, result, version increments)
        self.writes: list[tuple[int | Cell, int, int]] = []
        #: (result, slot, whether a copy is needed) of what is handed through
        self.passed: list[tuple[int, int, bool]] = []
        self.cells: list[int] = []
        self.objects: list[_Object] = []
        self.results: list[Any] = []
        self.grads: list[tuple[Any, Any]] = []
        self.tree: TreeSpec | None = None
        self.numbers: Callable[[], tuple | None] = tuple
        self.program: Callable[[list[Any]], list[Any]] = list
        self.grad_guards: list[tuple[Any, bool]] = []
        self.kept: list[tuple[Any, Any, str, Any]] = []
        self.generators: list[Any] = []
        self.output_count = 0
        #: Results that go to several places.
        self.shared: set[int] = set()
        self.single = False

    @classmethod
    def of(cls, captured: Capture, result: Any, arguments: Sequence[Any]) -> tuple[Step, Any]:
        """(step, finish): `finish()` runs the program for the captured call itself.

        Raises Uncapturable, with nothing changed, where a replay would not be the same.
        """
        plan = _Plan(captured, result, arguments)
        inputs = captured.inputs.values()
        compute_all([Cell(held.node) for held in inputs if held.node.value is None])
        for held in captured.inputs.values():
            if held.tensor._grad_fn is not None:
                raise Uncapturable("a tensor read is the result of a recorded operation")
        return _Builder(plan).build()

    # -- replaying ------------------------------------------------------------------------------

    def replay(self, arguments: Sequence[Any]) -> Any:
        """Do the captured call again for other arguments; `MISS` where a guard fails.

        Raises what an op's check raises; then tensors, state and random numbers are as before.
        """
        if not self._holds():
            return MISS
        numbers = self.numbers()
        if numbers is None:
            return MISS
        arrays = self.template.copy()
        cells: list[Any] = [None] * len(arrays)
        renewed: set[int] | None = None
        for slot, tensor, required, writable in self.fixed:
            cell = tensor._cell
            node = cell._node
            if tensor._requires_grad is not required:
                return MISS
            cells[slot] = cell
            if node is None or node.value is None or cell.shared is not None:
                array = _contents(cell)
                node = cell._node
            else:
                array = node.value
            if writable and (
                getrefcount(node) > ALONE or getrefcount(array) > ALONE or array.base is not None
            ):
                array = array.copy()
                renewed = renewed or set()
                renewed.add(slot)
            arrays[slot] = array
        for slot, number in self.argument_slots:
            tensor = arguments[number]
            if tensor._base is None:
                cell = cells[slot] = tensor._cell
                node = cell._node
                if node is not None and node.value is not None and cell.shared is None:
                    arrays[slot] = node.value
                    continue
            arrays[slot] = np.ascontiguousarray(tensor.compute()).reshape(tensor._shape)
        for slot, owner in self.owned:
            cells[slot] = owner._grad._cell
            arrays[slot] = _contents(cells[slot])
        for held, value in zip(self.number_slots, numbers):
            held[()] = value
        offsets = [generator.offset for generator in self.generators]
        for slot, provider in self.drawn:
            array = provider()
            if slot >= 0:
                arrays[slot] = array
        try:
            results = self.program(arrays)
        except Exception:
            for generator, offset in zip(self.generators, offsets):
                generator.rewind(offset)
            raise
        for _, slot, copied in self.passed:
            results.append(arrays[slot].copy() if copied else arrays[slot])
        del arrays
        return self._store(results, cells, renewed or (), arguments)

    def _holds(self) -> bool:
        """Whether gradients and optimizer state are there as they were."""
        for tensor, absent in self.grad_guards:
            held = tensor._grad
            if (held is None) is not absent or (held is not None and held._base is not None):
                return False
        for state, param, name, value in self.kept:
            if param not in state or state[param].get(name) is not value:
                return False
        return True

    def _store(
        self, results: list[Any], cells: list[Any], renewed: Any, arguments: Sequence[Any]
    ) -> Any:
        """Put the results where the call would have put them; what it returns."""
        nodes: dict[int, Node] = {}
        shared = self.shared
        for place, number, count in self.writes:
            cell = cells[place] if type(place) is int else place
            node = cell._node
            if (
                number not in shared
                and place not in renewed
                and cell.shared is None
                and node is not None
                and getrefcount(node) <= ALONE
            ):
                node.value = results[number]
            else:
                node = nodes.get(number)
                if node is None:
                    node = nodes[number] = leaf_of(results[number])
                if cell.shared is not None:
                    cell.write(node)
                else:
                    cell._node = node
            cell.fallback = None
            cell.version += count
        made = []
        for number in self.cells:
            node = nodes.get(number)
            made.append(Cell(leaf_of(results[number]) if node is None else node))
        objects = [_tensor(spec, made[spec.cell]) for spec in self.objects]
        for tensor, value in self.grads:
            if type(tensor) is _Argument:
                tensor = arguments[tensor.number]
            tensor._grad = None if value is None else self._make(value, objects, arguments)
        values = [self._make(value, objects, arguments) for value in self.results]
        return values[0] if self.single else tree_unflatten(values, self.tree)

    def _make(self, value: Any, objects: list[Any], arguments: Sequence[Any]) -> Any:
        """A value of the call: one of the new tensors, a view, an argument, or as it stands."""
        kind = type(value)
        if kind is _Object:
            return objects[value.index]
        if kind is _Argument:
            return arguments[value.number]
        if kind is _View:
            base = self._make(value.base, objects, arguments)
            view = value.cls.of_cell(base._cell, value.shape, value.dtype)
            view._base, view._steps, view._layout = base, value.steps, value.layout
            return view
        return value


def _contents(cell: Cell) -> np.ndarray:
    """The array of a cell in any state, row-major."""
    return np.ascontiguousarray(cell.compute()).reshape(cell.compute().shape)


def _tensor(spec: _Object, cell: Cell) -> Any:
    """A new tensor like the captured one."""
    made = spec.cls.of_cell(cell, spec.shape, spec.dtype)
    made._requires_grad = spec.required
    made._grad_fn = spec.grad_fn
    made._output_number = spec.number
    return made


class _Builder:
    """Makes the step of a plan."""

    def __init__(self, plan: _Plan) -> None:
        self.plan = plan
        self.captured = plan.captured
        self.step = Step()
        self.written = [cell for cell, _, _ in self.captured.written.values()]

    def build(self) -> tuple[Step, Callable[[], None]]:
        plan, step = self.plan, self.step
        roots = [cell._node for cell in (*plan.cells, *self.written)]
        found = capture(roots)  # type: ignore[arg-type]  # cells that are written hold nodes
        self._refuse_escapes(found, roots)
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
        step.cells = places[: len(plan.cells)]
        step.shared = {place for place in places if places.count(place) > 1}
        step.single = plan.tree.is_leaf()
        step.output_count = len(made)
        slots = self._inputs(found)
        donations = self._writes(places[len(plan.cells) :], found, slots, set(handed))
        arguments = {slot for slot, _ in step.argument_slots}
        mutable = arguments | self.number_positions | {slot for slot, _ in step.drawn}
        step.passed = [(k, number, number in mutable) for number, k in handed.items()]
        self._rest()
        step.program = compile_graph(graph, donations)
        return step, lambda: self._finish(found, roots, places)

    def _refuse_escapes(self, found: GraphCapture, roots: list[Any]) -> None:
        """Raise Uncapturable where something besides the results keeps a value of this call."""
        wanted = {id(node) for node in roots}
        for view in self.captured.views.values():
            view._cached = None
        self.captured.views.clear()
        if any(id(node) not in wanted for node in held_outside(found)):
            raise Uncapturable("a value made in the call is kept by something outside")

    def _inputs(self, found: GraphCapture) -> dict[int, int]:
        """Describe each input; gives the slot of each cell that was there."""
        captured, step = self.captured, self.step
        inputs = {id(held.node): held for held in captured.inputs.values()}
        slots: dict[int, int] = {}
        names: list[str] = []
        self.number_positions: set[int] = set()
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
            step.fixed.append((slot, held.tensor, held.tensor._requires_grad, False))

    def _writes(
        self, places: list[int], found: GraphCapture, slots: dict[int, int], handed: set[int]
    ) -> dict[int, int]:
        """Describe each write to a cell that was there; gives the donations."""
        donations: dict[int, int] = {}
        uses = [*self.step.cells, *places]
        fixed = {slot for slot, *_ in self.step.fixed}
        for place, (cell, _, before) in zip(places, self.captured.written.values()):
            slot = slots.get(id(cell))
            self.step.writes.append((cell if slot is None else slot, place, cell.version - before))
            if slot in fixed and slot not in handed and uses.count(place) == 1:
                if place < self.step.output_count:
                    donations[place] = slot
        donated = set(donations.values())
        self.step.fixed = [(s, t, r, s in donated) for s, t, r, _ in self.step.fixed]
        return donations

    def _rest(self) -> None:
        plan, step, captured = self.plan, self.step, self.captured
        step.objects, step.results, step.tree = plan.objects, plan.results, plan.tree
        step.grads = plan.grads
        step.grad_guards = [
            (slot.tensor, slot.before is None) for slot in captured.grads.values() if slot.decides
        ]
        step.kept = captured.kept
        step.generators = list(captured.generators.values())

    def _finish(self, found: GraphCapture, roots: list[Any], places: list[int]) -> None:
        """Compute the captured call itself."""
        donated = {slot for slot, _, _, writable in self.step.fixed if writable}
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
