"""Where memory goes on: a tensor that takes another's memory or the shape of a view of itself, and
what becomes of the views that were taken of it before.

A view keeps the cell it was taken of, and so finds out, when it is next looked at, where its base
went. The functions are methods of `LazyTensor`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plait.core.ir.dtypes import dtype_of
from plait.core.ir.node import Spec
from plait.core.lazy.capture import forced, watch

if TYPE_CHECKING:
    from plait.core.lazy.tensor import LazyTensor

#: Where the memory is that a base's earlier views were taken of: still here; with the base of this,
#: which an in-place change of shape made a view itself (`become`); where it was, while this went on
#: to other memory (`adopt`).
HERE, WITH_ITS_BASE, LEFT = range(3)


def settled_base(self: LazyTensor) -> LazyTensor:
    """The base, or the one that took its place when it changed its shape or its memory."""
    base = self._base
    assert base is not None, "only asked of views"
    if base._moved:
        if base._cell is not self._cell:
            base = self._base = _left_by(self, base)
        elif base._moved == WITH_ITS_BASE:
            base = self._base = base._base
            assert base is not None, "a base that has become a view has one"
    return base


def _left_by(self: LazyTensor, base: LazyTensor) -> LazyTensor:
    """A base for a view whose own went on to other memory: the memory that it was taken of, and
    the same place in autograd."""
    cell = self._cell
    like = (
        Spec(cell.shared.shape, dtype_of(cell.shared.dtype))
        if cell.shared is not None
        else cell.node
    )
    left = self.plain.of_cell(cell, like.shape, like.dtype)
    edge = base.edge()
    if edge is not None:
        left._continue(edge)
    return left


def become(self: LazyTensor, view: LazyTensor) -> None:
    """Take the shape of a view of this tensor, in place.

    A base hands memory and place in autograd to a new base, which its earlier views then find.
    """
    if view._base is self:
        base = self.plain.of_cell(self._cell, self._shape, self._dtype)
        base._silent, base._layout = self._silent, self._layout
        base._grad_fn, base._output_number = self._grad_fn, self._output_number
        self._grad_fn, self._output_number = None, 0
        self._base, self._moved = base, WITH_ITS_BASE
    else:
        self._base = view._base
    self._steps, self._layout = view._steps, view._layout
    self._shape, self._cached = view._shape, None


def adopt(self: LazyTensor, other: LazyTensor, with_views: bool = False) -> None:
    """Become a handle on another tensor's memory, keeping identity and autograd state.

    Earlier views stay with the memory that they were taken of, unless they are to follow.
    """
    if watch.active is not None:
        forced("a tensor takes over the memory of another")
    self.storage_cell.require_writable()
    if self._grad_fn is not None and other._base is not None:
        # The result of an operation is no view besides: it takes the value.
        other = self.plain.of_node(other.read())
    seen = other.detached()
    if not with_views and (self._base is None or self._moved):
        if seen._cell is not self._cell:
            self._moved = LEFT
        elif seen._base is not None and not self.requires_grad:
            self._moved = WITH_ITS_BASE
    self._base, self._steps, self._cached = seen._base, seen._steps, None
    self._cell = seen._cell
    self._layout = seen._layout
    self._shape = other._shape
    self._dtype = other._dtype
