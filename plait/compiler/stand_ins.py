"""What a captured call is given for arguments that are views: base tensors with their values.

A program reads an argument as it comes, so that a view and what it is a view of need not be told
apart. The call finds the layout of the view all the same, which is guarded where it is read. What
needs the memory around the view breaks the capture; from then on the stand-in is the view.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from plait._tensor import Tensor
from plait.core.ir.node import Node
from plait.core.lazy.capture import Capture
from plait.core.lazy.cell import Cell
from plait.core.lazy.views import Layout, contiguous_strides
from plait.core.ops.index import TAKE
from plait.core.ops.view import BROADCAST
from plait.utils._pytree import tree_flatten, tree_unflatten


class _Pair(NamedTuple):
    """An argument, what is given for it, and the cell of that with what was in it."""

    argument: Tensor
    stand_in: Tensor
    cell: Cell
    node: Node | None


class StandIns:
    """The arguments of a call that is captured. given: what it gets, one by one."""

    def __init__(self, leaves: Sequence[Any]) -> None:
        self._leaves = leaves
        self.given = [_stand_in(value) for value in leaves]
        #: By id, base and steps that stand-ins were given when the capture was broken.
        self._became: dict[int, tuple[Any, Any]] = {}
        self._pairs = [
            _Pair(value, made, made._cell, made._cell._node)
            for value, made in zip(leaves, self.given)
            if value is not made
        ]

    def enter(self, captured: Capture) -> None:
        """Note the arguments as inputs of a capture that has begun."""
        captured.views_given = {id(pair.cell) for pair in self._pairs}
        captured.overlapping = {
            id(pair.cell)
            for pair in self._pairs
            if any(step.op is TAKE or step.op is BROADCAST for step in pair.argument._path())
        }
        captured.at_break = self._become_the_arguments
        for number, value in enumerate(self.given):
            if isinstance(value, Tensor):
                if value._base is not None or id(value._cell) in captured.inputs:
                    captured.interrupt("an argument shares its memory with another tensor")
                    return
                captured.enter(value, value._cell).argument = number

    def are_written(self) -> bool:
        """Whether the call has written, by a stand-in, to an argument that is a view, or changed
        its shape."""
        return any(True for _ in self._written()) or any(
            pair.stand_in._base is not None for pair in self._pairs
        )

    def finish(self) -> None:
        """Let the arguments have what the call has done to their stand-ins."""
        for pair in self._written():
            pair.argument.detached().assign(pair.cell.node)
        for argument, stand_in, *_ in self._pairs:
            base, steps = self._became.get(id(stand_in), (None, ()))
            if base is None and stand_in._base is not None:
                argument.adopt(self._seen_through(argument, stand_in))
            elif base is not stand_in._base or steps is not stand_in._steps:
                argument.adopt(stand_in)  # which went on to other memory, or took another shape
            if stand_in._requires_grad and argument.is_leaf:
                argument.require_grad(True)
            if stand_in._grad is not None:
                argument._grad = stand_in._grad

    def originals(self, result: Any) -> Any:
        """The result with the call's own arguments in place of their stand-ins, and views of them
        in place of views of these."""
        if not self._pairs:
            return result
        values, tree = tree_flatten(result)
        return tree_unflatten([self._original(value) for value in values], tree)

    def _original(self, value: Any) -> Any:
        for argument, stand_in, cell, _ in self._pairs:
            if value is stand_in:
                return argument
            if isinstance(value, Tensor) and value.storage_cell is cell and value._grad_fn is None:
                return self._seen_through(argument, value)
        return value

    @staticmethod
    def _seen_through(argument: Tensor, view: Tensor) -> Tensor:
        """A view of a stand-in as one of the argument."""
        seen, path = argument.detached(), view._path()
        view._base, view._cell = seen._base, seen._cell
        view._steps, view._cached = (*seen._steps, *path), None
        return view

    def _written(self) -> Iterator[_Pair]:
        return (pair for pair in self._pairs if pair.cell._node is not pair.node)

    def _become_the_arguments(self) -> None:
        """The capture is broken: from here on the stand-ins are views of the same memory."""
        for number, (argument, stand_in, cell, _) in enumerate(self._pairs):
            if cell._node is not self._pairs[number].node:
                argument.detached().assign(cell.node)
                self._pairs[number] = _Pair(argument, stand_in, cell, cell._node)
            seen = argument.detached()
            stand_in._base, stand_in._steps, stand_in._cell = seen._base, seen._steps, seen._cell
            stand_in._layout, stand_in._cached = seen._layout, None
            self._became[id(stand_in)] = (seen._base, seen._steps)


def _stand_in(value: Any) -> Any:
    """A base tensor with the value of a view; other arguments as they are."""
    if isinstance(value, Tensor) and value._base is not None and not value.requires_grad:
        value.compute()
        made = type(value).plain.of_node(value.read())
        made._layout = value.memory()
        return made
    return value


def layouts_of(captured: Capture) -> list[tuple[int, tuple[int, ...], int | None, bool]]:
    """(number, strides, offset or None where it was not read, whether it is the layout of a tensor
    by itself) of the arguments whose layout the call has looked at."""
    found = []
    for held in captured.inputs.values():
        with_offset = captured.layouts.get(id(held.cell))
        if held.argument is not None and with_offset is not None:
            layout = held.tensor.memory()
            plain = Layout(contiguous_strides(held.tensor.shape), 0)
            offset = layout.offset if with_offset else None
            found.append((held.argument, layout.strides, offset, layout == plain))
    return found
