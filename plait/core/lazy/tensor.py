"""The lazy tensor: a handle on a storage cell, plus the view of it and its place in autograd.

A base tensor holds its cell and, where it requires a gradient, its grad node. A view holds its base
and the steps that lead from it; its value and grad node are derived from the base whenever the base
has changed, so that a write through any of them is seen by all. A detached twin is a base of its
own over the same cell: it shares the memory and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self, TypeGuard

import numpy as np

from plait.core.ir.dtypes import DType
from plait.core.ir.errors import ShapeError, error
from plait.core.ir.node import Node, Spec
from plait.core.ir.op import Op
from plait.core.lazy import grad as autograd
from plait.core.lazy.capture import current, forced, watch
from plait.core.lazy.cell import Cell, leaf_of, settle
from plait.core.lazy.grad import Edge
from plait.core.lazy.modes import modes
from plait.core.lazy.moving import HERE, WITH_ITS_BASE, adopt, become, settled_base
from plait.core.lazy.recorder import recorder
from plait.core.lazy.replay.record import apply
from plait.core.lazy.replay.thread import threads
from plait.core.lazy.views import (
    Layout,
    Step,
    apply_to_array,
    contiguous_strides,
    step_from,
)
from plait.core.lazy.writing import write_at_once, write_shared, write_through
from plait.core.ops.elementwise import ADD, ALIAS, SIGN, cast
from plait.core.runtime.crowd import crowd


class LazyTensor:
    """A tensor whose operations are recorded and computed when a value is needed.

    Subclasses give it a dialect's names; `plain` is the class that results of operations have.
    """

    __slots__ = (
        "__weakref__",
        "_base",
        "_cached",
        "_cell",
        "_dtype",
        "_grad",
        "_grad_fn",
        "_layout",
        "_leaf_hooks",
        "_moved",
        "_output_number",
        "_requires_grad",
        "_shape",
        "_silent",
        "_steps",
    )

    plain: ClassVar[type[LazyTensor]]
    #: Whether the node of the cell is all of the value.
    is_dense: ClassVar[bool] = True
    #: Whether its derivatives are those of a graph being recorded, which has no grad nodes.
    is_in_graph: ClassVar[bool] = False

    _base: LazyTensor | None
    _cached: tuple[Node, Any, Node, Edge | None] | None
    _grad: LazyTensor | None
    _grad_fn: Any
    _layout: Layout | None
    _leaf_hooks: dict[int, Callable] | None
    _moved: int
    _steps: tuple[Step, ...]

    # -- making -------------------------------------------------------------------------------

    @classmethod
    def of_cell(cls, cell: Cell, shape: tuple[int, ...], dtype: DType) -> Self:
        """A base tensor over a cell."""
        self = object.__new__(cls)
        self._cell = cell
        self._shape = shape
        self._dtype = dtype
        self._base = None
        self._steps = ()
        self._layout = None
        self._cached = None
        self._grad = None
        self._grad_fn = None
        self._output_number = 0
        self._requires_grad = False
        self._leaf_hooks = None
        #: Whether views taken of this base have to be told where they belong: see `_settled_base`.
        self._moved = HERE
        #: Writes through `.data` do not count as in-place changes for autograd.
        self._silent = False
        return self

    @classmethod
    def of_node(cls, node: Node) -> Self:
        """A base tensor with a cell of its own."""
        return cls.of_cell(Cell(node), node.shape, node.dtype)

    @classmethod
    def of_value(cls, node: Node, edge: Edge | None) -> Self:
        """A tensor for a node whose gradient goes to `edge`."""
        self = cls.of_node(node)
        if edge is not None:
            self._grad_fn, self._output_number = edge
        return self

    @classmethod
    def of_array(cls, array: np.ndarray, dtype: DType) -> Self:
        """A base tensor over memory that stays visible outside."""
        self = cls.of_cell(Cell(None, shared=array), array.shape, dtype)
        if array.size and not array.flags.c_contiguous:
            # It lies so, also when nobody outside holds it any more.
            self._layout = Layout(tuple([s // array.itemsize for s in array.strides]), 0)
        return self

    # -- reading ------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        return self._shape

    @property
    def dtype(self) -> DType:
        return self._dtype

    @property
    def ndim(self) -> int:
        return len(self._shape)

    def frozen(self) -> Any:
        """The present value as a tensor of its own, that later writes to this one do not touch."""
        return self.plain.of_value(*self.value())

    @property
    def storage_cell(self) -> Cell:
        """The cell that holds the memory."""
        base = self._base
        if base is None:
            return self._cell
        return (self._settled_base() if base._moved else base).storage_cell

    def _family(self) -> LazyTensor:
        """The tensor whose views share this one's place in autograd: its base, or itself.

        A view that was made to require a gradient is a leaf, and so the base of its own views.
        """
        return self if self._base is None or self._requires_grad else self._settled_base()

    def _path(self) -> tuple[Step, ...]:
        """All the steps from the memory to this tensor."""
        return self._steps if self._base is None else (*self._settled_base()._path(), *self._steps)

    _settled_base = settled_base

    def read(self) -> Node:
        """The node of the present value."""
        return self.value()[0]

    def value(self) -> tuple[Node, Edge | None]:
        """The present node, and where its gradient goes (None: nowhere)."""
        base = self._base
        if base is None:
            if watch.active is not None and (active := current()) is not None:
                node = active.read(self)
            else:
                node = self._cell.node
            if self._grad_fn is not None:
                return node, (self._grad_fn, self._output_number)
            return node, (self, 0) if self._requires_grad else None
        node, edge = self._derived(base)
        return node, (self, 0) if edge is None and self._requires_grad else edge

    def edge(self) -> Edge | None:
        """Where this tensor's gradient goes."""
        if self._base is None:
            if self._grad_fn is not None:
                return self._grad_fn, self._output_number
            return (self, 0) if self._requires_grad else None
        if self._base.requires_grad:
            return self._derived(self._base)[1]
        return (self, 0) if self._requires_grad else None

    def _derived(self, base: LazyTensor) -> tuple[Node, Edge | None]:
        """Value and edge of a view, from its base as it is now."""
        if base._moved:
            base = self._settled_base()
        cell = base.storage_cell
        active = current() if watch.active is not None else None
        if active is not None:
            active.derive(self)
        elif cell.is_shared() and not base.requires_grad:
            snapshot = cell.look(lambda array: apply_to_array(array, self._path()))
            assert snapshot is not None
            return snapshot, None
        node, edge = base.value()
        cached = self._cached
        if cached is not None and cached[0] is node and cached[1] is (edge and edge[0]):
            return cached[2], cached[3]
        if edge is None and node.value is not None and active is None and self._is_plain():
            rows = apply_to_array(node.value, self._steps)
            if rows.flags.c_contiguous and np.may_share_memory(rows, node.value):
                # Part of an array, as it lies: a value by itself, without an op and its numbers.
                seen = leaf_of(rows)
                self._cached = (node, None, seen, None)
                return seen, None
        first, first_edge = node, edge
        for step in self._steps:
            operands = (node, *step.extra)
            none = [None] * len(step.extra)
            edges = None if edge is None else (edge, *none)
            node, made = apply(step.op, operands, step.attrs, edges, (None, *none), self.plain)
            edge = None if made is None else (made, 0)
        if threads.run is None or threads.run.lost:
            recorder.note(node)
        self._cached = (first, first_edge and first_edge[0], node, edge)
        return node, edge

    def _is_plain(self) -> bool:
        """Whether the steps of this view depend on nothing but their attributes."""
        return not any(step.extra for step in self._steps)

    def compute(self) -> np.ndarray:
        """The value as an array that must not be written; computes what it needs."""
        if self._base is None:
            return self._cell.compute()
        cell = self.storage_cell
        if cell.is_shared():
            return apply_to_array(cell.compute(), self._path())
        node = self.read()
        Cell(node).compute()
        return node.value

    def export(self) -> np.ndarray:
        """An array over this tensor's memory: writes to either are seen by the other."""
        if watch.active is not None:
            forced("a tensor is handed to NumPy")
        if self._base is None:
            return self._cell.export()[...]
        array = self.storage_cell.export()
        seen = apply_to_array(array, self._path())
        shares = np.shares_memory(seen, array)
        if seen.size == 0 or (shares and seen.flags.writeable == array.flags.writeable):
            return seen
        memory = self.memory()
        return np.lib.stride_tricks.as_strided(
            array.reshape(-1)[memory.offset :],
            self._shape,
            [s * array.itemsize for s in memory.strides],
        )

    # -- memory layout ------------------------------------------------------------------------

    def memory(self) -> Layout:
        """Strides and offset in the storage, in elements."""
        if watch.active is not None and (active := current()) is not None:
            active.layout_read(self)
        if self._layout is not None:
            return self._layout
        shared = self._cell.shared if self._base is None else None
        if shared is not None and shared.size:
            return Layout(tuple([s // shared.itemsize for s in shared.strides]), 0)
        return Layout(contiguous_strides(self._shape), 0)

    # -- recording ----------------------------------------------------------------------------

    def bind(self, op: Op, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        """Record an op on tensors (and nodes, taken as constants)."""
        nodes, edges, cells = [], [], []
        tracked = False
        for x in inputs:
            if type(x) is Node:
                nodes.append(x)
                edges.append(None)
                cells.append(None)
                continue
            cell = x._cell
            plainly = x._base is None and x.is_dense and watch.active is None
            node = cell._node if plainly else None
            if node is not None and cell.shared is None:
                nodes.append(node)
                made_by = x._grad_fn
                if made_by is not None:
                    edges.append((made_by, x._output_number))
                    tracked = True
                elif x._requires_grad:
                    edges.append((x, 0))
                    tracked = True
                    if cell.fallback is not None and modes.grad_enabled:
                        settle()
                else:
                    edges.append(None)
                cells.append(cell)
            else:
                node, edge = x.value()
                nodes.append(node)
                edges.append(edge)
                cells.append(x.storage_cell)
                tracked = tracked or edge is not None
        tracked = tracked and op.has_vjp and modes.grad_enabled
        plain = self.plain
        outputs, grad = apply(
            op, tuple(nodes), attrs, tuple(edges) if tracked else None, cells, plain
        )
        if type(outputs) is Node:
            made: Any = plain.of_node(outputs)
            if grad is not None:
                made._grad_fn = grad
                if op.watches_output:
                    grad.versions.append((made._cell, 0))
        else:
            made = tuple([plain.of_node(part) for part in outputs])
            if grad is not None:
                _give_grad(made, grad)
            outputs = outputs[0].inputs[0]
        run = threads.run
        if run is None or run.lost:
            recorder.note(outputs)
        elif threads.is_full(run):
            recorder.sweep()
        return made

    # -- views and twins ----------------------------------------------------------------------

    def view_through(self, op: Op, *extra: Node, layout: Layout | None = None, **attrs: Any) -> Any:
        """A view of this tensor by one more step."""
        is_plain = self._layout is not None or self._cell.shared is None
        step, shape, dtype, layout = step_from(
            Spec(self._shape, self._dtype),
            self._layout if is_plain else self.memory(),
            Step(op, attrs, extra),
            layout,
        )
        return self.view_by((step,), shape, dtype, layout)

    def view_by(
        self, steps: tuple[Step, ...], shape: tuple[int, ...], dtype: DType, layout: Layout | None
    ) -> Any:
        """A view of this tensor by more steps, whose result is known."""
        base = self._family()
        own = () if base is self else self._steps
        if base.requires_grad and not modes.grad_enabled:
            base = base.detached()
        if base._base is not None and not base._requires_grad:
            base, own = base._base, (*base._steps, *own)
        view = self.plain.of_cell(base._cell, shape, dtype)
        view._base = base
        view._steps = (*own, *steps)
        view._layout = layout
        return view

    adopt = adopt
    become = become

    def detached(self, silent: bool = False) -> Any:
        """A tensor over the same memory that needs no gradient."""
        base = self
        while base._base is not None:
            base = base._settled_base()
        if watch.active is not None and (active := current()) is not None:
            active.handle(base)
        twin = self.plain.of_cell(base._cell, base._shape, base._dtype)
        twin._silent = silent or base._silent
        twin._layout = base._layout
        if self._base is None:
            return twin
        view = self.plain.of_cell(base._cell, self._shape, self._dtype)
        view._base = twin
        view._steps = self._path()
        view._layout = self._layout
        return view

    # -- writing ------------------------------------------------------------------------------

    def _refuse_leaf(self, base: LazyTensor) -> None:
        """Raise RuntimeError where a recorded write would change a leaf that requires a
        gradient."""
        if self._requires_grad or (base._requires_grad and base._grad_fn is None):
            what = "a leaf Variable" if self._requires_grad else "a view of a leaf Variable"
            raise error(
                RuntimeError,
                f"{what} that requires grad is being used in an in-place operation.",
            )

    def require_writable(self, name: str) -> None:
        """Raise RuntimeError unless an in-place change of this tensor's shape can be recorded."""
        if not modes.grad_enabled:
            raise error(
                RuntimeError,
                f"{name} without recording, on a tensor that requires grad, is not supported: use "
                "the function without the underscore",
            )
        self._refuse_leaf(self if self._base is None else self._settled_base())

    def _takes_plainly(self, result: Any) -> TypeGuard[LazyTensor]:
        """Whether a value can be written as it is, and leads to no place in autograd."""
        return (
            type(result) is self.plain
            and not result.is_in_graph
            and result._dtype is self._dtype
            and result._shape == self._shape
            and result._base is None
            and result._grad_fn is None
            and not result._requires_grad
            and watch.active is None
        )

    def assign(self, result: LazyTensor | Node) -> Self:
        """Write a value of this shape into this tensor's memory, in place.

        The result is cast to this dtype. Autograd follows the write as PyTorch does: the base, and
        all its views, continue from the written value. Raises RuntimeError for a leaf that requires
        a gradient while gradients are recorded.
        """
        if watch.active is not None and (active := current()) is not None:
            active.write_begins(self)
        base = self if self._base is None else self._settled_base()
        recording = modes.grad_enabled
        if recording:
            self._refuse_leaf(base)
        if base is self and self._grad_fn is None and self._takes_plainly(result):
            self._cell.write(result._cell.node)
            if not self._silent:
                self._cell.version += 1
            return self
        result = cast(result, self._dtype)
        if result.shape != self._shape:
            raise error(
                ShapeError,
                f"in-place write: output with shape {list(self._shape)} doesn't match the "
                f"broadcast shape {list(result.shape)}",
            )
        cell = self.storage_cell
        if isinstance(result, LazyTensor) and result.is_in_graph:
            cell.require_writable()
            raise error(
                RuntimeError,
                f"control flow: a value of the body ({result.dtype}{list(result.shape)}) cannot be "
                "written into a tensor that the body has made of constants; make a new tensor with "
                "torch.cat, torch.stack, torch.where or the functions without an underscore",
            )
        if self._steps and cell.is_shared() and not base.requires_grad:
            write_shared(self, cell, result)
        elif base._base is not None and not base._requires_grad:
            # The base has become a view since this was taken of it: see `at_break`.
            self._base, self._steps = base._base, (*base._steps, *self._steps)
            return self.assign(result)
        elif base._base is not None:
            # The base is a leaf that is itself a view: write through its memory.
            base.detached().assign(write_through(self, base, result))
            return self
        else:
            self._write(base, result, recording)
        if not base._silent:
            cell.version += 1
        return self

    def _write(self, base: LazyTensor, result: Any, recording: bool) -> None:
        if self._steps:
            if write_at_once(self, base, result):
                if recording:
                    base._set_edge(None)
                return
            result = write_through(self, base, result)
        if type(result) is Node:
            node, edge = result, None
        else:
            node, edge = result.value()
        if watch.active is not None and (active := current()) is not None:
            active.handle(base)
        base._cell.write(node)
        if recording:
            base._set_edge(edge)
            if not self._steps and isinstance(edge and edge[0], autograd.GradNode):
                edge[0].output_moved(result.storage_cell, base._cell)  # type: ignore[index]  # not None

    def _set_edge(self, edge: Edge | None) -> None:
        """Continue from a written value's place in autograd."""
        if edge is None:
            if self._grad_fn is not None:
                # A constant written over a result: it goes on to require a gradient, and what it
                # was made of gets zeros. SIGN has that slope.
                node, old = self._cell.node, (self._grad_fn, self._output_number)
                self._grad_fn = autograd.record(SIGN, {}, (node,), (old,), node, (), self.plain)
            self._output_number = 0
            return
        self._continue(edge)

    def _continue(self, edge: Edge) -> None:
        """Take a place in autograd."""
        if isinstance(edge[0], LazyTensor):
            # A plain copy of a leaf: give it a grad node, so that this tensor is no leaf.
            node = self._cell.node
            made = autograd.record(ALIAS, {}, (node,), (edge,), node, (), self.plain)
            edge = (made, 0)
        self._grad_fn, self._output_number = edge

    def continue_from(self, grad_fn: Any, number: int) -> None:
        """Take output `number` of a grad node as this tensor's origin."""
        if self._base is not None:
            self.adopt(self.plain.of_node(self.read()))
        if self._dtype.is_differentiable:
            self._grad_fn, self._output_number = grad_fn, number

    def has_own_rule(self, label: str, inputs: Sequence[LazyTensor]) -> None:
        """Note that a user-defined function, with a derivative of its own, has made this of tensors
        that are in a graph. Raises NotImplementedError where it is in none itself."""
        raise error(
            NotImplementedError,
            f"{label}: a result that does not depend on the tensors of the body of control flow "
            "that the function is called in is not built in Plait yet",
        )

    # -- autograd state -----------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to or through this tensor."""
        base = self._base
        if base is not None and base.requires_grad:
            return True
        return self._requires_grad or self._grad_fn is not None

    @property
    def is_leaf(self) -> bool:
        """Made by the user, not by a recorded operation."""
        edge = self.edge()
        return edge is None or edge[0] is self

    @property
    def grad_fn(self) -> Any:
        """The grad node that made this tensor; None for a leaf."""
        edge = self.edge()
        return None if edge is None or edge[0] is self else edge[0]

    def require_grad(self, required: bool) -> None:
        """Set whether this leaf requires a gradient."""
        if required and self._moved == WITH_ITS_BASE:
            # A leaf is the base of its views, of those that are taken from here on; earlier ones
            # that have not been looked at since its shape changed are taken for such, too.
            self._moved = HERE
        self._requires_grad = required

    def leaf_hooks(self) -> list[Callable]:
        """The hooks on a leaf's gradient, in order."""
        return list(self._leaf_hooks.values()) if self._leaf_hooks else []

    def keeps_grads_as_they_are(self, grad: LazyTensor) -> bool:
        """Whether a first gradient of this leaf is simply kept."""
        return self._requires_grad

    def accumulate_grad(self, grad: LazyTensor, create_graph: bool) -> None:
        """Add a gradient that has arrived at this leaf; from several threads, one after another.

        What has ceased to require a gradient since the operation was recorded lets it go.
        """
        if not self.requires_grad:
            return
        if watch.active is not None and (active := current()) is not None:
            active.grad_read(self)
        with crowd.lock:
            held = self._grad
            if held is None:
                self._grad = grad if create_graph else grad.detached()
            elif create_graph:
                self._grad = ADD(held, grad)
            else:
                held.assign(ADD(held, grad))


def _give_grad(made: tuple[Any, ...], grad: autograd.GradNode) -> None:
    """Let the several results of an op continue from its grad node."""
    for number, result in enumerate(made):
        if result._dtype.is_differentiable:
            result._grad_fn, result._output_number = grad, number
            if grad.op.watches_output:
                grad.versions.append((result._cell, 0))
