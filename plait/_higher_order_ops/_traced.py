"""Tensors of graphs: what the bodies of control flow are called with, and what they give.

A traced tensor has a shape and a dtype, and no value: ops on it are recorded into the graph of the
body. Tensors from outside that a body uses become operands of the control flow, so that gradients
reach them; so do its random draws (`_draws.py`). Nothing else of a body is kept: it must not look
at values, or write to what was there before. What would need more than the graph holds raises: a
write that a view or a detached twin should see, a derivative that a user has written, `backward()`.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from typing import Any, NoReturn
from weakref import ref

from plait._higher_order_ops._origins import (
    NOWHERE,
    OUTSIDE,
    Origins,
    Unkept,
    leads,
    own_rule,
    require_kept,
    without,
)
from plait._tensor import Tensor
from plait._valueless import ValuelessTensor
from plait.core.batching.levels import running
from plait.core.ir.errors import error
from plait.core.ir.node import Node, Unneeded
from plait.core.ir.op import LEAF, Op, binds_first
from plait.core.lazy.modes import modes
from plait.core.lazy.views import Layout
from plait.core.ops.elementwise import DETACH, cast

_numbers = itertools.count()


class _Bodies(threading.local):
    """The bodies that are being recorded on this thread, the innermost last."""

    def __init__(self) -> None:
        self.recorded: list[Outside] = []


_bodies = _Bodies()


def recorded() -> list[Outside]:
    """What is outside of the bodies that this thread records, the innermost last."""
    return _bodies.recorded


def recording() -> Outside | None:
    """What is outside of the innermost body that is being recorded; None outside of all."""
    return _bodies.recorded[-1] if _bodies.recorded else None


class Outside:
    """The tensors from outside that the bodies of one control flow use, in this order.

    depth: how many levels of `vmap` and of bodies run when a body begins, its own included.
    tracks: whether the control flow is recorded for differentiation.
    draws: what the present body draws (`_draws.Draw`); None where nobody hands draws in.
    """

    def __init__(self, draws: bool = False) -> None:
        self.draws: list[Any] | None = [] if draws else None
        self.depth = len(running()) + 1
        #: Of two control flows being recorded, the one begun later is inside of the other.
        self.number = next(_numbers)
        self.tracks = modes.grad_enabled
        self.tensors: list[Any] = []
        self.nodes: list[Node] = []
        #: By the tensor's id: its placeholder, and the contents of its memory then.
        self._known: dict[int, tuple[Node, tuple[int, Any]]] = {}

    def node_of(self, value: Any) -> Node:
        """The placeholder of a tensor. Raises RuntimeError where it was written to since."""
        known = self._known.get(id(value))
        if known is None:
            node = placeholder(value)
            self._known[id(value)] = node, _contents(value)
            self.tensors.append(value)
            self.nodes.append(node)
            return node
        self._require_unwritten(value, known[1])
        return known[0]

    def require_unwritten(self) -> None:
        """Raise RuntimeError where a tensor was written to after the body had used it."""
        for value in self.tensors:
            self._require_unwritten(value, self._known[id(value)][1])

    def _require_unwritten(self, value: Any, contents: tuple[int, Any]) -> None:
        version, node = _contents(value)
        if version != contents[0] or node is not contents[1]:
            raise error(
                RuntimeError,
                f"control flow: a tensor of shape {list(value.shape)} that the body has made of "
                "constants was written to after the body had used it; make a new tensor instead",
            )

    def origins_of(self, value: Any) -> Origins:
        """Where the gradient of an operand leads, in these bodies."""
        if isinstance(value, Slice):
            value = value.whole
        while isinstance(value, ValuelessTensor) and not isinstance(value, TracedTensor):
            value = getattr(value, "_samples", None)  # of a `vmap`
        if isinstance(value, TracedTensor):
            own = value._outside is self
            return value._origins if own or self.tracks else NOWHERE
        tracked = self.tracks and isinstance(value, Tensor) and value.requires_grad
        return OUTSIDE if tracked else NOWHERE

    def node_in(self, value: Any) -> Node:
        """The node of a value in the body's graph."""
        own = isinstance(value, TracedTensor) and value._outside is self
        return value._node if own else self.node_of(value)

    def result(self, value: Any) -> Node:
        """The node of what a body gives. Raises what stands in the way of its gradient."""
        require_kept(self.origins_of(value), lambda origin: True)
        return self.node_in(value)


class Slice(Tensor):
    """Stands for the type of one slice of a stacked tensor."""

    def __new__(cls, whole: Any) -> Any:
        return cls.of_cell(whole._cell, tuple(whole.shape[1:]), whole.dtype)

    def __init__(self, whole: Any) -> None:
        self.whole = whole


def placeholder(value: Any) -> Node:
    """A node that stands for an input of a graph."""
    return Node(LEAF, (), {"shape": tuple(value.shape), "dtype": value.dtype})


def _contents(value: Any) -> tuple[int, Any]:
    """What changes where a tensor's memory is written to, also through `.data`."""
    cell = value.storage_cell
    unknown = isinstance(value, ValuelessTensor) or cell.is_shared()
    return cell.version, None if unknown else cell.node


class _Memory:
    """What a tensor of a body, its views and its detached twins share.

    refusal: why it must not be written to, if it must not.
    """

    def __init__(self, refusal: str | None) -> None:
        self.refusal = refusal
        self._handles: list[ref[TracedTensor]] = []

    def enter(self, handle: TracedTensor) -> None:
        """One more tensor over this memory."""
        self._handles = [known for known in self._handles if known() is not None]
        self._handles.append(ref(handle))

    def is_seen_besides(self, handle: TracedTensor) -> bool:
        """Whether another tensor that is still there would see a write through this one."""
        return any(known() is not None and known() is not handle for known in self._handles)


_INPUT = (
    "control flow: a body must not write to its inputs, nor through a view; make a new tensor, or "
    "clone() first and write to all of it"
)
_LEAF = "a leaf Variable that requires grad is being used in an in-place operation."
_SEEN = (
    "control flow: a body must not write to memory that a view or a detached twin, taken before, "
    "sees too: the body is a graph of values and has no memory. clone() one of them first"
)
_INNER = (
    "control flow: a body must not write to a tensor from outside of it: it is recorded once, and "
    "the write would not be made in each turn. Give the new value back as a result of the body"
)
_NO_BACKWARD = (
    "control flow: backward() and autograd.grad() of tensors in a body of control flow, which is "
    "recorded once, as a graph; use torch.func.grad or torch.func.vjp in it"
)


class TracedTensor(ValuelessTensor):
    """A tensor inside the body of control flow."""

    refusal = (
        "control flow: the value of a tensor is asked for while the body is recorded, and there is "
        "none yet: no .item(), no Python branch and no NumPy array of it. Use torch.cond or "
        "torch.where for a choice by value"
    )
    is_in_graph = True

    _node: Node
    _outside: Outside
    _origins: Origins
    #: None: its own, which nobody else sees.
    _memory: _Memory | None = None
    #: Whether it is a view, of part of the memory or in another shape.
    _is_part = False

    # -- making -------------------------------------------------------------------------------

    @classmethod
    def of_result(cls, node: Node, outside: Outside, origins: Origins) -> TracedTensor:
        """The tensor of a node of the body's graph, with memory of its own."""
        self = cls.of_type(node.shape, node.dtype)
        self._node = node
        self._outside = outside
        self._origins = origins if origins and node.dtype.is_differentiable else NOWHERE
        return self

    @classmethod
    def of_input(cls, node: Node, outside: Outside, origins: Origins) -> TracedTensor:
        """The tensor of an input of the body."""
        made = cls.of_result(node, outside, origins)
        made._memory = _Memory(_INPUT)
        return made

    @classmethod
    def leaf(cls, node: Node, outside: Outside, origins: Origins) -> TracedTensor:
        """What a derivative in the body is taken with respect to."""
        made = cls.of_result(node, outside, origins)
        made._memory = _Memory(_LEAF)
        return made

    def _seen_by(self, made: Any, is_part: bool) -> Any:
        """A tensor that has the memory of this one from now on."""
        if self._memory is None:
            self._memory = _Memory(None)
            self._memory.enter(self)
        self._memory.enter(made)
        made._memory, made._is_part = self._memory, is_part
        return made

    def untracked(self, own: Origins) -> TracedTensor:
        """The same memory, whose gradient leads to none of these origins."""
        rest = without(self._origins, own)
        if rest is self._origins:
            return self
        seen = TracedTensor.of_result(self._node, self._outside, rest)
        return self._seen_by(seen, self._is_part)

    # -- recording ----------------------------------------------------------------------------

    def bind(self, op: Op, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
        """Record an op into the graph of the innermost body that one of the operands is of."""
        innermost = self
        for x in inputs:
            if isinstance(x, TracedTensor) and x._outside.number > innermost._outside.number:
                innermost = x
        if innermost is not self:
            return innermost.bind(op, inputs, attrs)
        for x in inputs:
            batched = isinstance(x, ValuelessTensor) and not isinstance(x, TracedTensor)
            if batched and x._level.number > self._outside.depth:
                return x.bind(op, inputs, attrs)  # of a `vmap` in the body
        nodes = []
        origins = NOWHERE
        outside = self._outside
        for x in inputs:
            if type(x) is Unneeded:
                return x.bind(op, inputs, attrs)
            if type(x) is Node:
                nodes.append(x)
                continue
            nodes.append(outside.node_in(x))
            origins |= outside.origins_of(x)
        made = op(*nodes, **attrs)
        if not op.has_vjp:
            origins = NOWHERE
        if isinstance(made, tuple):
            return tuple([self._made(part, origins) for part in made])
        return self._made(made, origins)

    def _made(self, node: Node, origins: Origins) -> TracedTensor:
        """The result of an op; what is not recorded for differentiation is a constant to it."""
        if origins and not modes.grad_enabled:
            node = DETACH(node) if node.dtype.is_differentiable else node
            origins = NOWHERE
        return TracedTensor.of_result(node, self._outside, origins)

    def view_through(self, op: Op, *extra: Node, layout: Layout | None = None, **attrs: Any) -> Any:
        return self._seen_by(self.bind(op, (self, *extra), attrs), True)

    def detached(self, silent: bool = False) -> Any:
        node = DETACH(self._node) if self._dtype.is_differentiable else self._node
        return self._seen_by(TracedTensor.of_result(node, self._outside, NOWHERE), self._is_part)

    def frozen(self) -> Any:
        return TracedTensor.of_result(self._node, self._outside, self._origins)

    # -- writing ------------------------------------------------------------------------------

    def assign(self, result: Any) -> TracedTensor:
        """Write in place: only what the body has made itself, as a whole, seen by nobody else."""
        self._require_writable()
        result = cast(result, self._dtype)
        origins = self._outside.origins_of(result)
        if isinstance(result, TracedTensor):
            node = result._node
        else:
            node = result if type(result) is Node else self._outside.node_of(result)
        if modes.grad_enabled:
            self._origins |= origins
        elif self._origins:
            # PyTorch would take the gradient of the value before the write.
            unkept = Unkept(
                RuntimeError,
                "control flow: a body must not write under no_grad() to a tensor that requires a "
                "gradient; make a new tensor, or clone() it under no_grad()",
                self._origins,
            )
            self._origins |= frozenset([unkept])
        self._node = node
        return self

    def _require_writable(self) -> None:
        memory = self._memory
        if recording() is not self._outside:
            raise error(RuntimeError, _INNER)
        if memory is not None and memory.refusal is not None:
            raise error(RuntimeError, memory.refusal)
        if self._is_part:
            raise error(RuntimeError, _INPUT)
        if memory is not None and memory.is_seen_besides(self):
            raise error(RuntimeError, _SEEN)

    def become(self, view: Any) -> None:
        if recording() is not self._outside:
            raise error(RuntimeError, _INNER)
        if self._memory is not None and self._memory.refusal is not None:
            raise error(RuntimeError, self._memory.refusal)
        self._node, self._origins, self._shape = view._node, view._origins, view._shape

    def adopt(self, other: Any) -> NoReturn:
        raise error(
            RuntimeError,
            "control flow: a tensor in a body cannot take over the memory of another (set_(), "
            "`.data =`, resize_()); use the other tensor itself",
        )

    # -- place in autograd: what the value depends on -------------------------------------------

    @property
    def requires_grad(self) -> bool:
        return leads(self._origins)

    @requires_grad.setter
    def requires_grad(self, required: bool) -> None:
        self.requires_grad_(required)

    def require_grad(self, required: bool) -> None:
        if required:
            raise error(RuntimeError, _NO_BACKWARD)

    @property
    def is_leaf(self) -> bool:
        return not self._origins

    @property
    def grad_fn(self) -> Any:
        return self.edge() if self._origins else None

    def detach_(self) -> Any:
        if self._is_part and self._origins:
            raise error(RuntimeError, "Can't detach views in-place. Use detach() instead.")
        if self._dtype.is_differentiable:
            self._node, self._origins = DETACH(self._node), NOWHERE
        return self

    def edge(self) -> NoReturn:
        raise error(RuntimeError, _NO_BACKWARD)

    def has_own_rule(self, label: str, inputs: Sequence[Any]) -> None:
        if not self._dtype.is_differentiable:
            return
        origins = NOWHERE.union(*[self._outside.origins_of(x) for x in inputs])
        if origins:
            self._origins = origins | frozenset([own_rule(label, origins)])

    def __repr__(self, **options: Any) -> str:
        return f"TracedTensor(shape={list(self._shape)}, dtype={self._dtype})"


binds_first.add(TracedTensor)
