"""A captured call as one program: what goes in, what comes out, and where it is put.

`plan.step_of` makes a `Step` from a finished capture. `replay` does the call again for other
arguments: it fetches the inputs, runs the program once, and leaves tensors, their gradients and
optimizer state as the call itself would have. It runs once per training step, so what can be looked
up beforehand is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import is_
from sys import getrefcount
from typing import Any

import numpy as np

from plait.compiler.parts import Argument, Fixed, GradOf, Object, Rows, Twin, View
from plait.compiler.quick import Quick, quick_of
from plait.core.ir.node import Node, Spec
from plait.core.ir.op import LEAF
from plait.core.lazy.capture import watch
from plait.core.lazy.cell import ALONE, Cell
from plait.core.lazy.moving import WITH_ITS_BASE
from plait.core.runtime.arrays import has_block
from plait.core.runtime.crowd import crowd, let_others_in, several
from plait.core.runtime.generator import Generator
from plait.utils._pytree import LeafSpec, TreeSpec, tree_unflatten

#: Given back by `Step.replay` where a guard fails; nothing has happened then.
MISS: Any = object()
#: Ordinary replays after which a step is first expected to go on as it does.
_SETTLED = 8


class Step:
    """A program with its inputs and outputs. Made from a capture by `Step.of`."""

    def __init__(self) -> None:
        self.template: list[Any] = []
        self.fixed: list[Fixed] = []
        self.input_types: tuple[Spec, ...] = ()
        self.argument_slots: list[tuple[int, int]] = []
        #: Of the arguments whose layout the call has looked at: (number, strides, offset where that
        #: counts, whether it is that of a tensor by itself).
        self.layouts: list[tuple[int, tuple[int, ...], int | None, bool]] = []
        self.owned: list[tuple[int, Any]] = []
        self.drawn: list[tuple[int, Callable[[], np.ndarray]]] = []
        self.number_slots: list[np.ndarray] = []
        #: (slot, or see `_cell_of`; result; version increments)
        self.writes: list[tuple[Any, int, int]] = []
        #: Of the places of these, such as are no inputs, nor arguments.
        self.elsewhere: list[Any] = []
        #: (result, slot, whether a copy is needed) of what is handed through
        self.passed: list[tuple[int, int, bool]] = []
        self.cells: list[int] = []
        self.objects: list[Object] = []
        self.results: list[Any] = []
        self.grads: list[tuple[Any, Any]] = []
        #: (tensor, result, kind) of gradients that nothing else of the call refers to.
        self.own_grads: list[tuple[Any, int, Object]] = []
        #: (tensor, kind) of such whose memory the next call may write again, and their numbers for
        #: the program.
        self.rewritten: list[tuple[Any, Object]] = []
        self.places: list[int] = []
        #: For each result, shape and dtype.
        self.types: list[dict[str, Any]] = []
        self.tree: TreeSpec = LeafSpec()
        self.numbers: Callable[[], tuple | None] = tuple
        self.program: Callable[..., list[Any]] = list
        self.grad_guards: list[tuple[Any, bool]] = []
        #: Arguments that have no `.grad` before the call.
        self.without_grads: list[int] = []
        #: (tensor, shape, dtype) of those that twins are made of.
        self.owners: list[tuple[Any, tuple[int, ...], Any]] = []
        #: Dicts of optimizer state, and the values that they must still hold.
        self.kept: list[tuple[dict[Any, Any], tuple]] = []
        #: Generators that are drawn from before something that may fail.
        self.generators: list[Generator] = []
        self.output_count = 0
        #: Results that go to several places.
        self.shared: set[int] = set()
        self.single = False
        #: How often the call was replayed the ordinary way; after how many times it is expected to
        #: go on as it does, and the way of the object machine then.
        self.replays = 0
        self.settled = _SETTLED
        self.quick: Quick | None = None
        #: The direct way (see `direct`), and the quick way that it was made by.
        self.direct: Any = None
        self.settled_by: Quick | None = None
        #: Whether a call changes nothing that is there, and reads no number that calls change.
        self.only_computes = False

    # -- replaying ------------------------------------------------------------------------------

    def replay(self, arguments: Sequence[Any]) -> Any:
        """Do the captured call again for other arguments; `MISS` where a guard fails.

        Raises what an op's check raises; then tensors, state and random numbers are as before.
        Calls of several threads run one after another, unless they only compute.
        """
        with crowd.lock:
            return self._replayed(arguments)

    def _replayed(self, arguments: Sequence[Any]) -> Any:
        if not self.holds() or any(arguments[n]._grad is not None for n in self.without_grads):
            return MISS
        numbers = self.numbers()
        if numbers is None or not self.lie_as_before(arguments):
            return MISS
        crowded = several()
        if self.quick is not None and type(arguments) is tuple and not crowded:
            found = self.quick.inputs(arguments)
            if found is not None:
                again = dict(zip(self.places, found[2]))
                results = self.results_of(found[0], again, numbers, crowded)
                found[2].clear()
                again.clear()
                objects = self.quick.store(results, found[1], watch.era)
                if objects is NotImplemented:
                    return self.store_changed(results, found[1], arguments)
                return self.returned(objects, arguments)
        arrays = self.template.copy()
        cells: list[Any] = [None] * len(arrays)
        renewed: set[int] | None = None
        moved = False
        for slot, tensor, known, required, hooks, writable in self.fixed:
            cell = tensor._cell
            node = cell._node
            if (
                tensor._requires_grad is not required
                or tensor._leaf_hooks is not hooks
                or tensor._base is not None  # transposed in place, say
                or (cell is not known and not self._fits(slot, tensor))
            ):
                return MISS
            moved = moved or cell is not known
            cells[slot] = cell
            if node is None or node.value is None or cell.shared is not None:
                array = _contents(cell)
                node = cell._node
            else:
                array = node.value
            if writable and (
                getrefcount(node) > ALONE
                or getrefcount(array) > ALONE
                or array.base is not None
                or crowded
            ):
                array = array.copy()
                renewed = renewed or set()
                renewed.add(slot)
            arrays[slot] = array
        if moved and len({id(tensor._cell) for _, tensor, *_ in self.fixed}) < len(self.fixed):
            return MISS  # what was two tensors' memory has become one
        elsewhere = [_cell_of(place, arguments) for place in self.elsewhere]
        for slot, number in self.argument_slots:
            tensor = arguments[number]
            if self.writes and (tensor.storage_cell in cells or tensor.storage_cell in elsewhere):
                return MISS  # what is written would be seen through the argument
            if tensor._base is None:
                cell = cells[slot] = tensor._cell
                node = cell._node
                if cell.shared is not None:
                    if cell.shared.flags.c_contiguous:
                        arrays[slot] = cell.shared
                        continue
                elif node is not None and node.value is not None:
                    arrays[slot] = node.value
                    continue
            arrays[slot] = np.ascontiguousarray(tensor.compute()).reshape(tensor._shape)
        for slot, owner in self.owned:
            cells[slot] = owner._grad._cell
            arrays[slot] = _contents(cells[slot])
        again = {} if crowded else self._memory()
        results = self.results_of(arrays, again, numbers, crowded)
        again.clear()
        value = self._store(results, cells, renewed or (), arguments)
        self.replays += 1
        if self.replays == self.settled and type(arguments) is tuple:
            self.quick = quick_of(self, arguments)
            self.settled *= 2
        return value

    def lie_as_before(self, arguments: Sequence[Any]) -> bool:
        """Whether the arguments whose layout matters have the one that they had."""
        for number, strides, offset, is_plain in self.layouts:
            value = arguments[number]
            plain = value._base is None and value._layout is None and value._cell.shared is None
            if plain and is_plain:
                continue
            memory = value.memory()
            if memory.strides != strides or (offset is not None and memory.offset != offset):
                return False
        return True

    def _memory(self) -> dict[int, Any]:
        """The arrays that the program may write new gradients into, by their places."""
        found = [_free_memory(owner, spec) for owner, spec in self.rewritten]
        return {place: array for place, array in zip(self.places, found) if array is not None}

    def results_of(
        self, arrays: list[Any], again: dict[int, Any], numbers: tuple, crowded: bool
    ) -> list[Any]:
        """Run the program on the arrays of its inputs, which are given up. again: memory that it
        may write its results into."""
        for held, value in zip(self.number_slots, numbers):
            held[()] = value
        saved = [(g, Generator.get_state(g)) for g in self.generators]
        for slot, provider in self.drawn:
            array = provider()
            if slot >= 0:
                arrays[slot] = array
        try:
            if crowded and self.only_computes:
                results = let_others_in(self.program, arrays, again)
            else:
                results = self.program(arrays, again)
        except Exception:
            for generator, state in saved:
                Generator.set_state(generator, state)
            raise
        for _, slot, copied in self.passed:
            results.append(arrays[slot].copy() if copied else arrays[slot])
        arrays.clear()
        return results

    def store_changed(self, results: list[Any], held: list[Any], arguments: Sequence[Any]) -> Any:
        """Do what `quick.store` does, where something was changed while the program ran.

        held: what was going to be written to, which is let go.
        """
        cells = self._cells_now()
        held.clear()
        return self._store(results, cells, (), arguments)

    def _cells_now(self) -> list[Any]:
        """The cells of the fixed inputs, by slot."""
        cells: list[Any] = [None] * len(self.template)
        for held in self.fixed:
            cells[held.slot] = held.tensor._cell
        return cells

    def _fits(self, slot: int, tensor: Any) -> bool:
        """Whether a tensor that has other memory than it had can still be the input."""
        spec = self.input_types[slot]
        return tensor._base is None and tensor._shape == spec.shape and tensor._dtype is spec.dtype

    def holds(self) -> bool:
        """Whether gradients and optimizer state are there as they were."""
        cells: set[int] = set()
        for tensor, absent in self.grad_guards:
            held = tensor._grad
            if (held is None) is not absent:
                return False
            if held is not None:
                cell = id(held._cell)
                # Each is written by itself: two tensors that share one go the ordinary way.
                if held._base is not None or not held.is_dense or cell in cells:
                    return False
                cells.add(cell)
        if cells and not cells.isdisjoint([id(tensor._cell) for _, tensor, *_ in self.fixed]):
            return False
        for tensor, shape, dtype in self.owners:
            if tensor._base is not None or tensor._shape != shape or tensor._dtype is not dtype:
                return False
        for held, values in self.kept:
            if len(held) != len(values) or not all(map(is_, held.values(), values)):
                return False
        return True

    def _store(
        self, results: list[Any], cells: list[Any], renewed: Any, arguments: Sequence[Any]
    ) -> Any:
        """Put the results where the call would have put them; what it returns."""
        nodes: dict[int, Node] = {}
        shared = self.shared
        for place, number, count in self.writes:
            cell = cells[place] if type(place) is int else _cell_of(place, arguments)
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
                    node = nodes[number] = _leaf(results[number], self.types[number])
                if cell.shared is not None:
                    cell.write(node)
                else:
                    cell._node = node
            cell.fallback = None
            cell.version += count
        for tensor, number, spec in self.own_grads:
            held = tensor._grad
            # The gradient of the last call, if nobody else has it, serves again.
            if held is not None and getrefcount(held) <= ALONE and held._base is None:
                cell = held._cell
                node = cell._node
                if (
                    getrefcount(cell) <= ALONE
                    and node is not None
                    and getrefcount(node) <= ALONE
                    and held._dtype is spec.dtype
                    and held._leaf_hooks is None
                    and held._grad_fn is None
                ):
                    node.value = results[number]
                    continue
            tensor._grad = _tensor(spec, Cell(_leaf(results[number], self.types[number])))
        made = []
        for number in self.cells:
            node = nodes.get(number)
            if node is None:
                node = _leaf(results[number], self.types[number])
            made.append(Cell(node))
        return self.returned([_tensor(spec, made[spec.cell]) for spec in self.objects], arguments)

    def returned(self, objects: list[Any], arguments: Sequence[Any]) -> Any:
        """What the call returns, of the new tensors; sets the gradients that others refer to."""
        for tensor, value in self.grads:
            if type(tensor) is Argument:
                tensor = arguments[tensor.number]
            tensor._grad = None if value is None else self._make(value, objects, arguments)
        values = [self._make(value, objects, arguments) for value in self.results]
        return values[0] if self.single else tree_unflatten(values, self.tree)

    def _make(self, value: Any, objects: list[Any], arguments: Sequence[Any]) -> Any:
        """A value of the call: one of the new tensors, a view, an argument, or as it stands."""
        kind = type(value)
        if kind is Object:
            return objects[value.index]
        if kind is Argument:
            return arguments[value.number]
        if kind is Twin:
            return self._make(value.base, objects, arguments).detached(value.silent)
        if kind is Rows:
            from plait._sparse import SparseTensor

            index, rows = [
                self._make(part, objects, arguments) for part in (value.index, value.values)
            ]
            return SparseTensor.of_rows(index, rows, value.shape, value.coalesced)
        if kind is View:
            base = self._make(value.base, objects, arguments)
            steps = value.steps
            # An argument that was transposed in place is itself a view.
            while base._moved == WITH_ITS_BASE:
                base, steps = base._base, (*base._steps, *steps)
            view = value.cls.of_cell(base._cell, value.shape, value.dtype)
            view._base, view._steps, view._layout = base, steps, value.layout
            return view
        return value


def _cell_of(place: Any, arguments: Sequence[Any]) -> Cell:
    """Where a write goes that is to no input: an argument, a `.grad`, a tensor, or a cell."""
    if type(place) is Argument:
        return arguments[place.number]._cell
    if type(place) is GradOf:
        return place.tensor._grad._cell
    return place if type(place) is Cell else place._cell


def _free_memory(owner: Any, spec: Object) -> np.ndarray | None:
    """The array of a gradient that the call replaces, where nobody would find it changed."""
    held = owner._grad
    if type(held) is not spec.cls or getrefcount(held) > ALONE or held._base is not None:
        return None
    cell = held._cell
    node = cell._node
    if getrefcount(cell) > ALONE or cell.shared is not None or node is None:
        return None
    array = node.value
    if getrefcount(node) > ALONE or type(array) is not np.ndarray or getrefcount(array) > ALONE:
        return None
    fits = held._dtype is spec.dtype and array.shape == spec.shape
    return array if fits and has_block(array) else None


def _leaf(array: np.ndarray, attrs: dict[str, Any]) -> Node:
    """A leaf node; attrs: those of such a leaf, its shape and dtype."""
    node = object.__new__(Node)
    node.run = None
    node.place = 0
    node.op, node.inputs, node.attrs, node.value, node.source = LEAF, (), attrs, array, None
    node.shape, node.dtype = attrs["shape"], attrs["dtype"]
    return node


def _contents(cell: Cell) -> np.ndarray:
    """The array of a cell in any state, row-major."""
    return np.ascontiguousarray(cell.compute()).reshape(cell.compute().shape)


def _tensor(spec: Object, cell: Cell) -> Any:
    """A new tensor like the captured one."""
    made = spec.cls.of_cell(cell, spec.shape, spec.dtype)
    made._requires_grad = spec.required
    made._grad_fn = spec.grad_fn
    made._output_number = spec.number
    return made
