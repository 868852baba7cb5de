"""Replays by the object machine: a step that finds all in its usual state, in two native calls.

The one compares what `Step` looks at and gives the arrays of the program's inputs; the other puts
the results where they belong, and makes what the call returns. Whatever is otherwise than it mostly
is (memory that somebody else holds, a gradient that is gone) is found before anything is changed,
and the call goes the ordinary way. While the program runs, a signal handler or another thread may
do anything: what is going to be written to is held meanwhile, and compared once more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from plait._tensor import Tensor
from plait.compiler.parts import Argument, GradOf, Object
from plait.core.codegen.objects import MOST_REGISTERS
from plait.core.ir.node import Node
from plait.core.ir.op import LEAF
from plait.core.lazy.cell import Cell
from plait.core.lazy.tensor import LazyTensor
from plait.core.runtime.objects import Assembly, Register

if TYPE_CHECKING:
    from plait.compiler.step import Step

#: A step that was not as expected so many times on end is not tried until it is expected otherwise.
_MOST_MISSES = 64


class Quick:
    """prepare: the arguments, a tuple -> (the list of the inputs' arrays, what is going to be
    written to, the arrays of the step's `rewritten`), or NotImplemented. store: (results, what is
    written to, era of new cells) -> the new objects, as a list, or NotImplemented. numbers: the
    arguments that the program reads.
    """

    __slots__ = ("misses", "numbers", "prepare", "store")

    def __init__(
        self, prepare: Callable[..., Any], store: Callable[..., Any], numbers: list[int]
    ) -> None:
        self.prepare = prepare
        self.store = store
        self.numbers = numbers
        self.misses = 0

    def inputs(self, arguments: tuple) -> tuple[list[Any], list[Any], list[Any]] | None:
        """The arrays for the program, what is written to, and memory for results; None where the
        ordinary way has to be gone."""
        if self.misses > _MOST_MISSES:
            return None
        found = self.prepare(arguments)
        if found is NotImplemented and self.computed_now(arguments):
            found = self.prepare(arguments)
        if found is NotImplemented:
            self.misses += 1
            return None
        if self.misses:
            self.misses = 0
        return found

    def computed_now(self, arguments: tuple) -> bool:
        """Compute arguments that wait still; whether there was one."""
        waiting = False
        for number in self.numbers:
            value = arguments[number]
            if type(value) is Tensor and value._base is None:
                node = value._cell._node
                if node is not None and node.value is None:
                    waiting = True
                    value.compute()
        return waiting


def quick_of(step: Step, arguments: tuple) -> Quick | None:
    """The quick way of a step, which has just been replayed with these arguments; None where it has
    something that the machine does not know."""
    if step.owned or step.without_grads or not all(spec.cls is Tensor for spec in step.objects):
        return None
    fixed = {held.slot for held in step.fixed}
    places = [id(place) for place, _, _ in step.writes if type(place) is not int]
    if len(set(places)) < len(places):
        return None
    for place, _, _ in step.writes:
        if type(place) in (Argument, GradOf) or (type(place) is int and place not in fixed):
            return None
    if len({id(held.tensor._cell) for held in step.fixed}) < len(step.fixed):
        return None  # one is written through the other
    prepare = preparing(step, arguments)
    store = _storing(step)
    if prepare is None or store is None:
        return None
    return Quick(prepare, store, [number for _, number in step.argument_slots])


# -- before the program --------------------------------------------------------------------------


def preparing(
    step: Step, arguments: tuple, more: int = 0, compare: Callable[..., None] | None = None
) -> Callable[..., Any] | None:
    """The function `Quick.prepare`, which takes so many more arguments.

    compare: what writes further comparisons, of the instructions and all arguments' registers.
    """
    steps = Assembly(1 + more)
    given = steps.arguments[0]
    if compare is not None:
        compare(steps, *steps.arguments)
    written = {place for place, number, _ in step.writes if _in_node(step, place, number)}
    slots = [steps.constant(value) for value in step.template]
    cells: list[Register] = []
    nodes: dict[int, Register] = {}
    for held in step.fixed:
        owner, cell = steps.constant(held.tensor), steps.constant(held.tensor._cell)
        steps.is_now(owner, LazyTensor, "_requires_grad", held.required)
        steps.is_now(owner, LazyTensor, "_leaf_hooks", held.hooks)
        steps.is_now(owner, LazyTensor, "_base", None)
        steps.same(steps.load(owner, LazyTensor, "_cell"), cell)
        node, array = _computed(steps, cell)
        if held.slot in written:
            steps.alone(node)
            nodes[held.slot] = node
        if held.writable:
            steps.owns(array)
        cells.append(cell)
        slots[held.slot] = array
    for place, _, _ in step.writes:
        if type(place) is not int:
            cell = _cell_of(steps, step, place)
            steps.is_now(cell, Cell, "shared", None)
            cells.append(cell)
    for slot, number in step.argument_slots:
        array = _argument(steps, steps.part(given, number), arguments[number], step, cells)
        if array is None:
            return None
        slots[slot] = array
    held = [nodes[place] for place, number, _ in step.writes if _in_node(step, place, number)]
    memory: dict[int, Register] = {}
    rewritten = {id(owner) for owner, _ in step.rewritten}
    for owner, _, spec in step.own_grads:
        *parts, array = _own_gradient(steps, owner, spec)
        held += parts
        if id(owner) in rewritten:
            steps.owns_block(array, spec.shape, spec.dtype.numpy)
            memory[id(owner)] = array
    again = [memory[id(owner)] for owner, _ in step.rewritten]
    steps.hold()
    steps.give(steps.tuple([steps.list(slots), steps.list(held), steps.list(again)]))
    return steps.function()


def _computed(steps: Assembly, cell: Register) -> tuple[Register, Register]:
    """(node, array) of a cell whose contents are there, and that nobody outside sees."""
    steps.is_now(cell, Cell, "shared", None)
    return _contents(steps, cell)


def _contents(steps: Assembly, cell: Register) -> tuple[Register, Register]:
    node = steps.load(cell, Cell, "_node")
    steps.type(node, Node)
    array = steps.load(node, Node, "value")
    steps.isnt(array, None)
    return node, array


def _argument(
    steps: Assembly, tensor: Register, example: Any, step: Step, cells: list[Register]
) -> Register | None:
    """The array of an argument that is like the example, and has no memory that is written."""
    if type(example) is not Tensor or example._base is not None:
        return None
    steps.type(tensor, Tensor)
    steps.is_now(tensor, LazyTensor, "_base", None)
    cell = steps.load(tensor, LazyTensor, "_cell")
    if step.writes:
        for other in cells:
            steps.differ(cell, other)
    shared = steps.load(cell, Cell, "shared")
    # What of shared memory the kernels cannot read as it lies is copied by the program.
    with steps.where(shared, steps.constant(None), shared) as branch:
        branch.give(_contents(steps, cell)[1])
    return branch.result


def _own_gradient(steps: Assembly, owner: Any, spec: Object) -> list[Register]:
    """Require that the `.grad` of the last call is there still, and nobody else's: (tensor, cell,
    node, array)."""
    held = steps.load(steps.constant(owner), LazyTensor, "_grad")
    steps.type(held, spec.cls)
    steps.alone(held)
    for slot in ("_base", "_leaf_hooks", "_grad_fn"):
        steps.is_now(held, LazyTensor, slot, None)
    steps.is_now(held, LazyTensor, "_dtype", spec.dtype)
    cell = steps.load(held, LazyTensor, "_cell")
    steps.alone(cell)
    node, array = _computed(steps, cell)
    steps.alone(node)
    return [held, cell, node, array]


# -- after the program ---------------------------------------------------------------------------


#: References to what is written to while the program runs: its owner's, and ours.
_HELD = 2


def _storing(step: Step) -> Callable[..., Any] | None:
    steps = Assembly(3)
    results, held, era = steps.arguments
    count = iter(range(MOST_REGISTERS))

    def still(value: Register, kind: type, slot: str) -> Register:
        """Require that a slot has what it had before the program ran, and that nobody else does."""
        before = steps.item(held, next(count))
        steps.same(steps.load(value, kind, slot), before)
        steps.alone(before, _HELD)
        return before

    writes: list[tuple[Register, Register | None, int, int]] = []
    for place, number, increments in step.writes:
        cell = _cell_of(steps, step, place)
        steps.is_now(cell, Cell, "shared", None)
        node = still(cell, Cell, "_node") if _in_node(step, place, number) else None
        writes.append((cell, node, number, increments))
    versions = [steps.load(cell, Cell, "version") for cell, *_ in writes]
    arrays = {number: steps.item(results, number) for _, number, _ in step.writes}
    grads = []
    for owner, number, _ in step.own_grads:
        cell = still(still(steps.constant(owner), LazyTensor, "_grad"), LazyTensor, "_cell")
        steps.is_now(cell, Cell, "shared", None)
        grads.append((still(cell, Cell, "_node"), steps.item(results, number)))
    leaves = {number: steps.item(results, number) for number in step.cells}
    steps.hold()
    made: dict[int, Register] = {}
    for (cell, node, number, increments), version in zip(writes, versions):
        if node is not None:
            steps.store(node, Node, "value", arrays[number])
        else:
            if number not in made:
                made[number] = _leaf(steps, arrays[number], step.types[number])
            steps.store(cell, Cell, "_node", made[number])
        steps.store(cell, Cell, "fallback", steps.constant(None))
        steps.store(cell, Cell, "version", steps.plus(version, increments))
    for node, array in grads:
        steps.store(node, Node, "value", array)
    cells = [_cell(steps, leaves[n], step.types[n], era) for n in step.cells]
    steps.give(steps.list([_tensor(steps, spec, cells[spec.cell]) for spec in step.objects]))
    return steps.function()


def _in_node(step: Step, place: Any, number: int) -> bool:
    """Whether a write goes into the node that was read, rather than into a new one."""
    return type(place) is int and number not in step.shared


def _cell_of(steps: Assembly, step: Step, place: Any) -> Register:
    """The cell that is written: an input's, a tensor's, or itself."""
    if type(place) is int:
        owner = next(held.tensor for held in step.fixed if held.slot == place)
        return steps.constant(owner._cell)
    if type(place) is Cell:
        return steps.constant(place)
    cell = steps.load(steps.constant(place), LazyTensor, "_cell")
    steps.type(cell, Cell)
    return cell


def _leaf(steps: Assembly, array: Register, attrs: dict[str, Any]) -> Register:
    nothing = steps.constant(None)
    slots = {
        "op": steps.constant(LEAF),
        "inputs": steps.constant(()),
        "attrs": steps.constant(attrs),
        "shape": steps.constant(attrs["shape"]),
        "dtype": steps.constant(attrs["dtype"]),
        "value": array,
        "source": nothing,
        "run": nothing,
        "place": steps.constant(0),
    }
    return steps.make(Node, slots)


def _cell(steps: Assembly, array: Register, attrs: dict[str, Any], era: Register) -> Register:
    """A cell over a new leaf."""
    nothing, zero = steps.constant(None), steps.constant(0)
    node = _leaf(steps, array, attrs)
    slots = {"_node": node, "era": era, "version": zero, "shared": nothing, "fallback": nothing}
    return steps.make(Cell, slots)


def _tensor(steps: Assembly, spec: Object, cell: Register) -> Register:
    """A tensor as the call has made it."""
    nothing, no = steps.constant(None), steps.constant(False)
    slots = {
        "_cell": cell,
        "_shape": steps.constant(spec.shape),
        "_dtype": steps.constant(spec.dtype),
        "_requires_grad": steps.constant(spec.required),
        "_grad_fn": steps.constant(spec.grad_fn),
        "_output_number": steps.constant(spec.number),
        "_steps": steps.constant(()),
        "_moved": no,
        "_silent": no,
    }
    slots.update(dict.fromkeys(("_base", "_layout", "_cached", "_grad", "_leaf_hooks"), nothing))
    return steps.make(spec.cls, slots)
