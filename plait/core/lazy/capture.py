"""What a call reads and writes, watched while it is recorded: the ground of compiled steps.

While a `Capture` is open, nothing is computed. It notes the cells that existed before and are read
(inputs) or written (outputs), whose `.grad` is looked at or set, and the numbers that Python
computes anew for each call (`HostProgram`). Whatever would force a value breaks the capture: from
then on the call goes on as it would have without one.

A cell's `era` tells what was there before: it is the number of captures, and of bodies of control
flow, that had begun to be recorded when it was made.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import ReferenceType, ref

import numpy as np

from plait.core.ir.dtypes import DType
from plait.core.ir.errors import user_location
from plait.core.ir.node import Node
from plait.core.ir.op import leaf
from plait.core.lazy.hostnumber import HostNumber, HostProgram
from plait.core.runtime.generator import Generator
from plait.core.runtime.realize import realize

if TYPE_CHECKING:
    from plait.core.lazy.cell import Cell
    from plait.core.lazy.tensor import LazyTensor


class _Watch:
    """The open capture of this process, the number of captures begun, and a count of structural
    changes (attributes of modules, hooks) that guards compare."""

    __slots__ = ("active", "era", "lock", "numbering", "structure")

    def __init__(self) -> None:
        self.active: Capture | None = None
        self.era = 0
        self.lock = threading.Lock()
        self.numbering = threading.Lock()
        self.structure = 0

    def new_era(self) -> int:
        """The era of the cells that are made from here on."""
        with self.numbering:
            self.era += 1
            return self.era


watch = _Watch()


def current() -> Capture | None:
    """The capture that this thread records under."""
    active = watch.active
    return active if active is not None and active.thread == threading.get_ident() else None


class Break(RuntimeError):
    """Raised where a call that must be captured whole cannot be."""


class Input:
    """A cell that was read: the tensor it was read through, and the contents seen."""

    __slots__ = ("argument", "cell", "node", "owner", "tensor")

    def __init__(self, tensor: LazyTensor, cell: Cell, node: Node) -> None:
        self.tensor = tensor
        self.cell = cell
        self.node = node
        #: The number of the call's argument that this is; the tensor whose `.grad` it is.
        self.argument: int | None = None
        self.owner: LazyTensor | None = None


class GradSlot:
    """The `.grad` of one tensor. before: what it was; `decides`: whether the call looked at it."""

    __slots__ = ("before", "decides", "tensor")

    def __init__(self, tensor: LazyTensor, decides: bool) -> None:
        self.tensor = tensor
        self.before = tensor._grad
        self.decides = decides


class NumberGroup:
    """Tensors of one element that hold the same number. read: it; None where they differ."""

    __slots__ = ("number", "tensors")

    def __init__(self) -> None:
        self.tensors: list[LazyTensor] = []
        self.number: Any = None

    def read(self) -> float | None:
        first = self.tensors[0]._cell._node
        found = None
        for tensor in self.tensors:
            node = tensor._cell._node
            if node is first and found is not None:
                continue
            array = tensor._cell.compute() if node is None or node.value is None else node.value
            number = float(array.reshape(-1)[0])
            if found is not None and number != found:
                return None
            found = number
        return found


class Options:
    """The options of a parameter group as a captured step sees them."""

    __slots__ = ("_group", "_host")

    def __init__(self, host: HostProgram, group: dict[str, Any]) -> None:
        self._host = host
        self._group = group

    def __getitem__(self, key: str) -> Any:
        value = self._group[key]
        active = current()
        if active is not None and hasattr(value, "storage_cell"):
            text = f"{self._host.name_of(self._group)}[{key!r}]"
            self._host.require(f"{text} is {self._host.name_of(value)}")
            return active.number(value)
        return self._host.option(self._group, key)


class Capture:
    """One call being recorded. Use `begin` and `close`.

    whole: a break raises `Break`. reason: why the capture was broken; discarded: why its program
    must not be kept though the call was captured (something happens only once).
    """

    def __init__(self, whole: bool = False) -> None:
        self.thread = threading.get_ident()
        self.whole = whole
        self.reason: str | None = None
        self.discarded: str | None = None
        self.inputs: dict[int, Input] = {}
        self.input_nodes: dict[int, Node] = {}
        self.written: dict[int, tuple[Cell, Node | None, int]] = {}
        self.handles: dict[int, LazyTensor] = {}
        self.grads: dict[int, GradSlot] = {}
        self.grad_owner: dict[int, LazyTensor] = {}
        self.host = HostProgram()
        self.numbers: dict[tuple[str, Any], Node] = {}
        self.number_of: dict[int, tuple[HostNumber, DType]] = {}
        self.providers: dict[int, tuple[Node, Callable[[], np.ndarray]]] = {}
        self.tensors_of: dict[float, NumberGroup] = {}
        #: Holders of what was made beside the cells that were there.
        self.created: list[Cell] = []
        self.views: dict[int, LazyTensor] = {}
        #: By their cells' ids: arguments that stand for views; whose strides were read, and whether
        #: where they begin was read too.
        self.views_given: set[int] = set()
        #: Those of them, of which several elements may be one in memory.
        self.overlapping: set[int] = set()
        self.layouts: dict[int, bool] = {}
        #: What is to be done where the capture is given up.
        self.at_break: Callable[[], None] | None = None
        #: Tensors that were there whose `requires_grad` was read or set, and what it was.
        self.flags: dict[int, tuple[ReferenceType[LazyTensor], bool]] = {}
        self.undo: list[Callable[[], None]] = []
        #: (optimizer state, parameter, name, value) that were read.
        self.kept: list[tuple[Any, Any, str, Any]] = []
        self.generators: dict[int, Any] = {}
        self.era = 0

    def begin(self) -> bool:
        """Start watching; False where another capture is open."""
        if not watch.lock.acquire(blocking=False):
            return False
        self.era = watch.new_era()
        watch.active = self
        return True

    def close(self) -> None:
        """Stop watching."""
        if watch.active is self:
            watch.active = None
            watch.lock.release()

    def interrupt(self, reason: str) -> None:
        """Give the capture up; the call goes on as without one."""
        where = user_location(2)
        self.reason = f"{reason}\n  at {where}" if where else reason
        self.close()
        if self.whole:
            raise Break(f"torch.compile(fullgraph=True): {self.reason}")
        if self.at_break is not None:
            self.at_break()

    # -- cells --------------------------------------------------------------------------------

    def read(self, tensor: LazyTensor) -> Node:
        """The contents of a base tensor; of a cell that was there before, the input."""
        cell = tensor._cell
        if cell.era >= self.era:
            if cell.is_shared():
                self.interrupt("memory that NumPy can write to is read")
            return cell.node
        key = id(cell)
        if key in self.written:
            return cell.node
        held = self.inputs.get(key)
        if held is None:
            held = self.enter(tensor, cell)
            held.owner = self.grad_owner.get(key)
        return held.node

    def enter(self, tensor: LazyTensor, cell: Cell) -> Input:
        """Note a cell as an input."""
        node = cell.node
        if id(node) in self.input_nodes:
            # Two cells may hold one value now and different ones in a later call.
            realize([node])
            node = leaf(node.value, node.shape, node.dtype)
        self.input_nodes[id(node)] = node
        held = self.inputs[id(cell)] = Input(self.handles.get(id(cell), tensor), cell, node)
        return held

    def derive(self, view: LazyTensor) -> None:
        """A view is about to be read: what it kept from before the capture is no input."""
        if id(view) not in self.views:
            self.views[id(view)] = view
            view._cached = None

    def handle(self, tensor: LazyTensor) -> None:
        """A base tensor is about to be written, or to get a twin: it stands for its cell."""
        if tensor._cell.era < self.era:
            self.handles.setdefault(id(tensor._cell), tensor)

    def write_begins(self, tensor: LazyTensor) -> None:
        """A tensor is to be written: not what stands for an expanded one, as one element of that
        changes others."""
        if self.overlapping and id(tensor.storage_cell) in self.overlapping:
            self.interrupt("an argument whose elements share memory is written")

    def wrote(self, cell: Cell) -> None:
        """A cell is about to be written."""
        if cell.era < self.era and id(cell) not in self.written:
            self.written[id(cell)] = (cell, cell._node, cell.version)

    def layout_read(self, tensor: LazyTensor, offset: bool = False) -> None:
        """The call looks at how a tensor lies in memory; offset: at where it begins, too."""
        cell = tensor.storage_cell
        if cell.era < self.era:
            self.layouts[id(cell)] = offset or self.layouts.get(id(cell), False)

    def memory_read(self, tensor: LazyTensor) -> None:
        """The call looks at memory around a tensor."""
        if id(tensor.storage_cell) in self.views_given:
            self.interrupt("the memory behind an argument that is a view is read")

    # -- gradients ----------------------------------------------------------------------------

    def flag(self, tensor: LazyTensor) -> None:
        """The call looks at a tensor's `requires_grad`, or is about to set it."""
        if tensor.storage_cell.era >= self.era:
            return
        known = self.flags.get(id(tensor))
        if known is None or known[0]() is not tensor:
            self.flags[id(tensor)] = (ref(tensor), tensor._requires_grad)

    def grad_read(self, tensor: LazyTensor) -> None:
        """The call looks at a `.grad`."""
        if id(tensor) not in self.grads:
            self.grads[id(tensor)] = GradSlot(tensor, True)
            held = tensor._grad
            if held is not None and not held.is_dense:
                # Its parts are other tensors each time.
                self.interrupt("a sparse gradient that was there is read")
            elif held is not None and held._base is not None:
                self.interrupt("a gradient that was there is a view")
            elif held is not None:
                if id(held._cell) in self.grad_owner or id(held._cell) in self.inputs:
                    self.interrupt("a gradient that was there shares its memory")
                self.grad_owner[id(held._cell)] = tensor

    def grad_set(self, tensor: LazyTensor) -> None:
        """The call is about to set a `.grad`."""
        if id(tensor) not in self.grads:
            self.grads[id(tensor)] = GradSlot(tensor, False)

    def forget_lost_gradients(self) -> None:
        """Let go of the slots of tensors that nothing else holds: leaves that the call made for
        itself, such as points at which a penalty takes a gradient. Nobody sees their `.grad`."""
        for key in list(self.grads):
            slot = self.grads.pop(key)
            there = ref(slot.tensor)
            del slot.tensor
            if (tensor := there()) is not None:
                slot.tensor = tensor
                self.grads[key] = slot

    # -- numbers and arrays from Python ---------------------------------------------------------

    def number_node(self, number: HostNumber, dtype: DType) -> Node:
        """The 0-d input that brings a number into the graph, rounded to a dtype."""
        key = (number.name, dtype)
        node = self.numbers.get(key)
        if node is None:
            node = leaf(np.array(number.value, dtype.numpy), (), dtype)
            self.numbers[key] = node
            self.number_of[id(node)] = (number, dtype)
        return node

    def number(self, tensor: LazyTensor) -> Any:
        """The number in a tensor of one element that was there before. Tensors with equal numbers
        now are one number, as long as they stay equal."""
        cell = tensor._cell
        if tensor._base is not None or cell.era >= self.era or id(cell) in self.written:
            return tensor.compute().item()  # which breaks the capture
        node = cell.node
        realize([node])  # and nothing else, as `compute` would
        value = float(node.value.reshape(-1)[0])
        group = self.tensors_of.get(value)
        if group is None:
            group = self.tensors_of[value] = NumberGroup()
            group.number = self.host.make(f"{self.host.name_of(group)}.read()", value)
            self.host.require(f"{group.number.name} is not None")
        if all(tensor is not held for held in group.tensors):
            group.tensors.append(tensor)
        return group.number

    def options(self, optimizer: Any, group: dict[str, Any]) -> Options:
        """A parameter group's options, looked up anew in each call."""
        host = self.host
        o, g = host.name_of(optimizer), host.name_of(group)
        lists = {f"{o}.param_groups": optimizer.param_groups, f"{g}['params']": group["params"]}
        for place, held in lists.items():
            host.require(f"{place} is {host.name_of(held)} and len({place}) == {len(held)}")
        host.require(f"{o}.state is {host.name_of(optimizer.state)}")
        return Options(host, group)

    def array(self, node: Node, provider: Callable[[], np.ndarray]) -> None:
        """A leaf whose value `provider` makes anew for each call, in the order recorded here."""
        self.providers[id(node)] = (node, provider)

    def before_draw(self, generator: Generator) -> None:
        """A generator is about to be drawn from."""
        state = Generator.get_state(generator)
        self.undo.append(lambda: Generator.set_state(generator, state) and None)

    def draw(self, node: Node, provider: Callable[[], np.ndarray], generator: Any) -> None:
        """A leaf of random numbers (already drawn once); `generator` is what they come from."""
        self.array(node, provider)
        self.generators[id(generator)] = generator

    def roll_back(self) -> None:
        """Put back all that the call wrote."""
        for cell, node, version in self.written.values():
            cell._node = node
            cell.fallback = None
            cell.version = version
        for slot in self.grads.values():
            slot.tensor._grad = slot.before
        for held, required in self.flags.values():
            if (tensor := held()) is not None:
                tensor._requires_grad = required
        for undo in reversed(self.undo):
            undo()


def forced(what: str) -> None:
    """Called where a value is needed at once: breaks the capture of this thread."""
    active = current()
    if active is not None:
        active.interrupt(what)
