"""What a step's inputs and outputs are: tensors that are there, and such as each call makes."""

from __future__ import annotations

from typing import Any, NamedTuple

from plait.core.lazy.cell import Cell
from plait.core.lazy.views import Layout
from plait.core.lazy.views import Step as ViewStep


class Object:
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


class View:
    """A view that the call returns, of an object or of a tensor that was there."""

    __slots__ = ("base", "cls", "dtype", "layout", "shape", "steps")

    def __init__(self, tensor: Any, base: Any) -> None:
        self.base = base
        self.cls = type(tensor)
        self.shape = tensor._shape
        self.dtype = tensor._dtype
        self.steps: tuple[ViewStep, ...] = tensor._steps
        self.layout: Layout | None = tensor._layout


class Twin:
    """What `detach()` gives of a tensor that was there: another handle on the same memory."""

    __slots__ = ("base", "silent")

    def __init__(self, tensor: Any, base: Any) -> None:
        self.base = base
        self.silent = tensor._silent


class Fixed(NamedTuple):
    """A tensor that each call reads: its slot, and what of it must stay as it was.

    writable: its memory may be written, if nobody else has it.
    """

    slot: int
    tensor: Any
    cell: Cell
    required: bool
    hooks: dict[int, Any] | None
    writable: bool


class GradOf:
    """The `.grad` of a tensor, which is written in place."""

    __slots__ = ("tensor",)

    def __init__(self, tensor: Any) -> None:
        self.tensor = tensor


class Rows:
    """A sparse tensor that the call makes, of two objects."""

    __slots__ = ("coalesced", "index", "shape", "values")

    def __init__(self, tensor: Any, index: Any, values: Any) -> None:
        self.index = index
        self.values = values
        self.shape = tensor._shape
        self.coalesced = tensor.is_coalesced()


class Argument:
    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number
