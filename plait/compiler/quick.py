"""Replays by the object machine: a step that finds all in its usual state, in two native calls.

The one compares what `Step` looks at and gives the arrays of the program's inputs; the other puts
the results where they belong, and makes what the call returns. Whatever is otherwise than it mostly
is (memory that somebody else holds, a gradient that is gone) is found before anything is changed,
and the call goes the ordinary way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from plait._tensor import Tensor
from plait.compiler.parts import Argument, GradOf, Object
from plait.core.ir.node import Node
from plait.core.ir.op import LEAF
from plait.core.lazy.cell import Cell
from plait.core.lazy.tensor import LazyTensor
from plait.core.runtime.objects import Assembly, Register

if TYPE_CHECKING:
    from plait.compiler.step import Step

#: A step that was not as expected so many times is not tried until it is expected otherwise.
_MOST_MISSES = 64


class Quick:
    """prepare: the arguments, a tuple -> the list of the inputs' arrays, or NotImplemented.
    store: (results, era of new cells) -> the new objects, as a list.
    """

    __slots__ = ("misses", "prepare", "store")

    def __init__(self, prepare: Callable[..., Any], store: Callable[..., Any]) -> None:
        self.prepare = prepare
        self.store = store
        self.misses = 0

    def inputs(self, arguments: tuple) -> list[Any] | None:
        """The arrays for the program; None where the ordinary way has to be gone."""
        if self.misses > _MOST_MISSES:
            return None
        arrays = self.prepare(arguments)
        if arrays is NotImplemented and _computed_now(arguments):
            arrays = self.prepare(arguments)
        if arrays is NotImplemented:
            self.misses += 1
            return None
        return arrays


def _computed_now(arguments: tuple) -> bool:
    """Compute arguments that wait still; whether there was one."""
    waiting = False
    for value in arguments:
        if type(value) is Tensor and value._base is None:
            node = value._cell._node
            if node is not None and node.value is None:
                waiting = True
                value.compute()
    return waiting


def quick_of(step: Step, arguments: tuple) -> Quick | None:
    """The quick way of a step, which has just been replayed with these arguments; None where it has
    something that the machine does not know."""
    if step.owned or not all(spec.cls is Tensor for spec in step.objects):
        return None
    fixed = {held.slot for held in step.fixed}
    for place, _, _ in step.writes:
        if type(place) in (Argument, GradOf) or (type(place) is int and place not in fixed):
            return None
    prepare = _preparing(step, arguments)
    store = _storing(step)
    return None if prepare is None or store is None else Quick(prepare, store)


# -- before the program --------------------------------------------------------------------------


def _preparing(step: Step, arguments: tuple) -> Callable[..., Any] | None:
    steps = Assembly(1)
    (given,) = steps.arguments
    written = {place for place, number, _ in step.writes if _in_node(step, place, number)}
    slots = [steps.constant(value) for value in step.template]
    cells: list[Register] = []
    for held in step.fixed:
        owner, cell = steps.constant(held.tensor), steps.constant(held.tensor._cell)
        steps.is_now(owner, LazyTensor, "_requires_grad", held.required)
        steps.is_now(owner, LazyTensor, "_leaf_hooks", held.hooks)
        steps.same(steps.load(owner, LazyTensor, "_cell"), cell)
        node, array = _computed(steps, cell)
        if held.slot in written:
            steps.alone(node)
        if held.writable:
            steps.owns(array)
        cells.append(cell)
        slots[held.slot] = array
    for slot, number in step.argument_slots:
        array = _argument(steps, steps.part(given, number), arguments[number], step, cells)
        if array is None:
            return None
        slots[slot] = array
    for owner, _, spec in step.own_grads:
        _own_gradient(steps, owner, spec)
    for place, _, _ in step.writes:
        if type(place) is not int:
            steps.is_now(_cell_of(steps, step, place), Cell, "shared", None)
    steps.hold()
    steps.give(steps.list(slots))
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


def _own_gradient(steps: Assembly, owner: Any, spec: Object) -> None:
    """Require that the `.grad` of the last call is there still, and nobody else's."""
    held = steps.load(steps.constant(owner), LazyTensor, "_grad")
    steps.type(held, spec.cls)
    steps.alone(held)
    for slot in ("_base", "_leaf_hooks", "_grad_fn"):
        steps.is_now(held, LazyTensor, slot, None)
    steps.is_now(held, LazyTensor, "_dtype", spec.dtype)
    cell = steps.load(held, LazyTensor, "_cell")
    steps.alone(cell)
    node, _ = _computed(steps, cell)
    steps.alone(node)


# -- after the program ---------------------------------------------------------------------------


def _storing(step: Step) -> Callable[..., Any] | None:
    steps = Assembly(2)
    results, era = steps.arguments
    nothing = steps.constant(None)
    writes: list[tuple[Register, Register | None, Register, int, int]] = []
    for place, number, count in step.writes:
        cell = _cell_of(steps, step, place)
        node = steps.load(cell, Cell, "_node") if _in_node(step, place, number) else None
        writes.append((cell, node, steps.load(cell, Cell, "version"), number, count))
    arrays = {number: steps.item(results, number) for _, number, _ in step.writes}
    grads = []
    for owner, number, _ in step.own_grads:
        held = steps.load(steps.constant(owner), LazyTensor, "_grad")
        node = steps.load(steps.load(held, LazyTensor, "_cell"), Cell, "_node")
        grads.append((node, steps.item(results, number)))
    leaves = {number: steps.item(results, number) for number in step.cells}
    steps.hold()
    made: dict[int, Register] = {}
    for cell, node, version, number, count in writes:
        if node is not None:
            steps.store(node, Node, "value", arrays[number])
        else:
            if number not in made:
                made[number] = _leaf(steps, arrays[number], step.types[number])
            steps.store(cell, Cell, "_node", made[number])
        steps.store(cell, Cell, "fallback", nothing)
        steps.store(cell, Cell, "version", steps.plus(version, count))
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
