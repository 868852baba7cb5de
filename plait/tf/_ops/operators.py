"""The operators of tensors and variables: TensorFlow's functions under Python's names."""

from __future__ import annotations

from typing import Any

from plait.tf._dispatch import state
from plait.tf._ops import elementwise, matrix, slicing
from plait.tf._tensor import Tensor

_BINARY = {
    "add": elementwise.add,
    "sub": elementwise.subtract,
    "mul": elementwise.multiply,
    "truediv": elementwise.truediv,
    "floordiv": elementwise.floordiv,
    "mod": elementwise.floormod,
    "pow": elementwise.pow,
    "matmul": matrix.matmul,
}
_COMPARISONS = {
    "lt": elementwise.less,
    "le": elementwise.less_equal,
    "gt": elementwise.greater,
    "ge": elementwise.greater_equal,
}
#: Python values that no tensor operation is meant for: Python tries the other side's operator.
_FOREIGN = (type(None), dict, set)


def _forward(function: Any, name: str | None = None) -> Any:
    """An operator. name: what its operations are called in graphs."""

    def operate(self: Any, other: Any) -> Any:
        if isinstance(other, _FOREIGN):
            return NotImplemented
        return function(self, other) if state.graph is None else function(self, other, name=name)

    return operate


def _reflected(function: Any, name: str | None = None) -> Any:
    def operate(self: Any, other: Any) -> Any:
        if isinstance(other, _FOREIGN):
            return NotImplemented
        return function(other, self) if state.graph is None else function(other, self, name=name)

    return operate


def _bits(logical: Any, bitwise: Any) -> Any:
    def function(x: Any, y: Any, name: str | None = None) -> Any:
        dtypes = [getattr(v, "dtype", None) for v in (x, y)]
        of_bools = "bool" in [getattr(d, "name", None) for d in dtypes]
        return (logical if of_bools else bitwise)(x, y, name=name)

    return function


def _compare(function: Any, different: bool) -> Any:
    def compare(self: Any, other: Any) -> Any:
        if other is None:
            return different
        if _identity_only(self):
            return (self is not other) if different else (self is other)
        try:
            return function(self, other)
        except Exception as fault:
            # Shapes that cannot be compared are not equal, as in TensorFlow.
            if "Incompatible shapes" in str(fault):
                from plait.tf._ops.creation import constant

                return constant(different)
            if isinstance(fault, (TypeError, ValueError)):
                return different
            raise

    return compare


def _identity_only(tensor: Any) -> bool:
    """TensorFlow 1 compares tensors of graphs by identity."""
    graph = getattr(tensor, "_graph", None)
    return graph is not None and not graph.tensor_equality


def _negate(self: Any) -> Any:
    return elementwise.negative(self)


def _absolute(self: Any) -> Any:
    return elementwise.abs(self)


def _invert(self: Any) -> Any:
    return (elementwise.logical_not if self.dtype.is_bool else elementwise.invert)(self)


def attach(cls: type) -> None:
    """Give a class the operators."""
    for name, function in _BINARY.items():
        setattr(cls, f"__{name}__", _forward(function, name))
        setattr(cls, f"__r{name}__", _reflected(function, name))
    for name, function in _COMPARISONS.items():
        setattr(cls, f"__{name}__", _forward(function))
    for name, logical, bitwise in (
        ("and", elementwise.logical_and, elementwise.bitwise_and),
        ("or", elementwise.logical_or, elementwise.bitwise_or),
        ("xor", elementwise.logical_xor, elementwise.bitwise_xor),
    ):
        function = _bits(logical, bitwise)
        setattr(cls, f"__{name}__", _forward(function))
        setattr(cls, f"__r{name}__", _reflected(function))
    cls.__eq__ = _compare(elementwise.equal, False)  # type: ignore[assignment]  # tensors compare elementwise
    cls.__ne__ = _compare(elementwise.not_equal, True)  # type: ignore[assignment]  # as above
    cls.__neg__ = _negate  # type: ignore[attr-defined]  # attached here
    cls.__abs__ = _absolute  # type: ignore[attr-defined]  # attached here
    cls.__invert__ = _invert  # type: ignore[attr-defined]  # attached here
    cls.__getitem__ = slicing.getitem  # type: ignore[attr-defined]  # attached here


attach(Tensor)
