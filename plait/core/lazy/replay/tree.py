"""The tree of recorded steps: points, and the match of a step's attributes."""

from __future__ import annotations

from typing import Any

from plait.core.ir.dtypes import DType
from plait.core.ir.graph import freeze
from plait.core.ir.op import Op

#: Kinds whose equal values are the same value.
_PLAIN = (int, str, type(None), DType)

#: What most points have of children and attributes; never written.
_NONE: dict[Any, Any] = {}

#: Steps that differ in their attributes alone, from one point on; beyond it the oldest goes.
_MOST_SIBLINGS = 32
#: Marks of such steps that were taken once; beyond it they are forgotten.
_MOST_MARKS = 256


class GradPlan:
    """What the grad node of a step keeps.

    inputs: per operand None where the operand itself is kept, else the `Spec` that stands for it;
    saved: the operands whose versions are watched; output: None where the output is kept.
    """

    __slots__ = ("inputs", "output", "output_types", "saved")

    def __init__(self, inputs: tuple, saved: tuple[int, ...], output: Any, types: tuple) -> None:
        self.inputs = inputs
        self.saved = saved
        self.output = output
        self.output_types = types


class Point:
    """A place in the tree, reached by one step.

    op, attrs: the step; shape, dtype: its result (tuples for several). several: how many results.
    grad: what its grad node keeps; None where it has none. children: the ways on from here: points
    by the operands of the step, backward passes and launches. sibling: the next point by the same
    operands with other attributes. others: hashes of attributes seen once among the siblings.
    guesses: per function of tensors how it was called here (see `guess`).
    """

    __slots__ = (
        "_frozen",
        "_types",
        "attrs",
        "children",
        "dtype",
        "grad",
        "guesses",
        "op",
        "others",
        "several",
        "shape",
        "sibling",
    )

    def __init__(
        self,
        op: Op | None = None,
        attrs: dict[str, Any] = _NONE,
        shape: Any = (),
        dtype: Any = None,
    ) -> None:
        self.op = op
        self.attrs = attrs
        self.shape = shape
        self.dtype = dtype
        self.several = len(dtype) if isinstance(dtype, tuple) else 0
        self.grad: GradPlan | None = None
        self.children: dict[Any, Any] = _NONE
        self.sibling: Point | None = None
        self.others: set[int] | None = None
        self.guesses: dict[Any, Any] = _NONE
        self._types = tuple(map(type, attrs.values()))
        self._frozen = None if all(map(_is_plain, attrs.values())) else freeze(attrs)

    def takes(self, attrs: dict[str, Any]) -> bool:
        """Whether a step with these attributes leads here (1, 1.0 and True are three values)."""
        if self._frozen is not None:
            return freeze(attrs) == self._frozen
        return attrs == self.attrs and tuple(map(type, attrs.values())) == self._types

    def step(self, key: tuple, attrs: dict[str, Any]) -> Point | None:
        """Where a step with these operands and attributes leads, if that is known."""
        point = self.children.get(key)
        while point is not None and not point.takes(attrs):
            point = point.sibling
        return point

    def enter(self, key: Any, entry: Any) -> None:
        """Add a way on from here."""
        if self.children is _NONE:
            self.children = {}
        self.children[key] = entry

    def add(self, key: tuple, point: Point) -> None:
        """Add a step on from here, before those that differ from it in their attributes."""
        first = self.children.get(key)
        if first is not None and first is not _SEEN:
            point.sibling, point.others = first, first.others
            last: Point | None = point
            for _ in range(_MOST_SIBLINGS):
                last = last.sibling if last is not None else None
            if last is not None:
                last.sibling = None
        self.enter(key, point)

    def seen_before(self, key: tuple, attrs: dict[str, Any]) -> bool:
        """Note that an unknown step was taken; whether it had been taken before."""
        first = self.children.get(key)
        if first is None:
            self.enter(key, _SEEN)
            return False
        if first is _SEEN:
            return True
        mark = hash(freeze(attrs))
        if first.others is None or len(first.others) > _MOST_MARKS:
            first.others = set()
        known = mark in first.others
        first.others.add(mark)
        return known


class BlockPoint(Point):
    """A point of the tree that blocks share.

    way: the step that was taken from here first; `BRANCHES` where there are several, and blocks
    end. finals: launches and backward passes of blocks that end here. thresholds: per waiting node
    how many references to it the block itself accounts for.
    """

    __slots__ = ("finals", "thresholds", "way")

    def __init__(self, *step: Any) -> None:
        super().__init__(*step)
        self.way: Any = None
        self.finals: dict[Any, Any] = {}
        self.thresholds: list[int] | None = None


#: The way on from a point where a program decides.
BRANCHES = object()


def _is_plain(value: Any) -> bool:
    if type(value) is tuple:
        return all(map(_is_plain, value))
    return type(value) in _PLAIN


#: Stands for a step that was taken once.
_SEEN = Point(None, {"": ""})
