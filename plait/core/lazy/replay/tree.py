"""The tree of recorded steps: points, and the match of a step's attributes."""

from __future__ import annotations

from typing import Any

from plait.core.ir.dtypes import DType
from plait.core.ir.graph import freeze
from plait.core.ir.op import Op

#: Kinds whose equal values are the same value.
_PLAIN = (int, str, type(None), DType)


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

    op, attrs: the step; shape, dtype: its result (tuples for several). parts: (shape, dtype) of
    each of several results. grad: what its grad node keeps; None where it has none. children: the
    steps on from here: lists of points by operands (those of a list differ in their attributes),
    and single entries for backward passes and launches.
    """

    __slots__ = ("_frozen", "_types", "attrs", "children", "dtype", "grad", "op", "parts", "shape")

    def __init__(self, op: Op | None, attrs: dict[str, Any], shape: Any, dtype: Any) -> None:
        self.op = op
        self.attrs = attrs
        self.shape = shape
        self.dtype = dtype
        self.parts: tuple | None = None
        self.grad: GradPlan | None = None
        self.children: dict[Any, Any] = {}
        self._types = list(map(type, attrs.values()))
        self._frozen = None if all(map(_is_plain, attrs.values())) else freeze(attrs)

    def takes(self, attrs: dict[str, Any]) -> bool:
        """Whether a step with these attributes leads here (1, 1.0 and True are three values)."""
        if self._frozen is not None:
            return freeze(attrs) == self._frozen
        return attrs == self.attrs and list(map(type, attrs.values())) == self._types


def _is_plain(value: Any) -> bool:
    if type(value) is tuple:
        return all(map(_is_plain, value))
    return type(value) in _PLAIN


def find(points: list[Point], attrs: dict[str, Any]) -> Point | None:
    """The point of a list that a step with these attributes leads to."""
    for point in points:
        if point.takes(attrs):
            return point
    return None
