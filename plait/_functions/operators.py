"""Python's operators on tensors, and the conversions between dtypes that are methods."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

import numpy as np

from plait._functions import pointwise as pw
from plait._functions.common import attach
from plait._tensor import Tensor
from plait.core.functional.broadcasting import Number
from plait.core.ir import dtypes
from plait.core.ops.elementwise import cast


def _accepts(value: Any) -> bool:
    return isinstance(value, (Tensor, *Number, np.ndarray, np.generic))


def _binary(function: Callable[..., Any], swapped: bool = False) -> Callable[[Any, Any], Any]:
    def operator(self: Tensor, other: Any) -> Any:
        if not _accepts(other):
            return NotImplemented
        return function(other, self) if swapped else function(self, other)

    return operator


def _in_place(function: Callable[..., Any], name: str) -> Callable[[Any, Any], Any]:
    def operator(self: Tensor, other: Any) -> Any:
        if not _accepts(other):
            return NotImplemented
        return self.assign_result(name, function(self.frozen(), other))

    return operator


_ARITHMETIC = {
    "add": pw.add,
    "sub": pw.sub,
    "mul": pw.mul,
    "truediv": pw.div,
    "floordiv": pw.floor_divide,
    "mod": pw.remainder,
    "pow": pw.pow,
    "and": pw.bitwise_and,
    "or": pw.bitwise_or,
    "xor": pw.bitwise_xor,
    "lshift": pw.bitwise_left_shift,
    "rshift": pw.bitwise_right_shift,
}
for _name, _function in _ARITHMETIC.items():
    setattr(Tensor, f"__{_name}__", _binary(_function))
    setattr(Tensor, f"__r{_name}__", _binary(_function, swapped=True))
    setattr(Tensor, f"__i{_name}__", _in_place(_function, f"__i{_name}__"))

for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    setattr(Tensor, f"__{_name}__", _binary(getattr(pw, _name)))
# Defining __eq__ from outside keeps the class's own __hash__: tensors hash by identity.


def _matmul(self: Tensor, other: Any) -> Any:
    from plait._functions.matrix import matmul

    return matmul(self, other) if isinstance(other, Tensor) else NotImplemented


def _rmatmul(self: Tensor, other: Any) -> Any:
    from plait._functions.matrix import matmul

    return matmul(other, self) if isinstance(other, Tensor) else NotImplemented


_UNARY = {
    "__neg__": pw.neg,
    "__pos__": pw.positive,
    "__abs__": pw.abs,
    "__invert__": pw.bitwise_not,
    "__matmul__": _matmul,
    "__rmatmul__": _rmatmul,
}
for _name, _function in _UNARY.items():
    setattr(Tensor, _name, _function)

# -- conversions ------------------------------------------------------------------------------

_CONVERSIONS = {
    "float": dtypes.float32,
    "double": dtypes.float64,
    "half": dtypes.float16,
    "bfloat16": dtypes.bfloat16,
    "long": dtypes.int64,
    "int": dtypes.int32,
    "short": dtypes.int16,
    "char": dtypes.int8,
    "byte": dtypes.uint8,
    "bool": dtypes.bool_,
    "cfloat": dtypes.complex64,
    "cdouble": dtypes.complex128,
}


def _conversion(dtype: dtypes.DType) -> Callable[..., Tensor]:
    def convert(self: Tensor, memory_format: Any = None) -> Tensor:
        return cast(self, dtype)

    convert.__doc__ = f"This tensor as {dtype.name}."
    return convert


for _name, _dtype in _CONVERSIONS.items():
    setattr(Tensor, _name, _conversion(_dtype))


def _real(self: Tensor) -> Tensor:
    """The real part; itself for real tensors."""
    return self if self.dtype.kind != "c" else cast(self, dtypes.real_of(self.dtype))


def _apply_(self: Tensor, callable: Callable[[Any], Any]) -> Tensor:
    """Write callable(x) for each element x, one Python call each."""
    values = [callable(x) for x in self.compute().reshape(-1).tolist()]
    return self.copy_(np.array(values, dtype=self.dtype.numpy).reshape(self._shape))


def _map_(self: Tensor, tensor: Tensor, callable: Callable[[Any, Any], Any]) -> Tensor:
    """Write callable(a, b) for each pair of elements."""
    pairs = builtins.zip(self.compute().reshape(-1).tolist(), tensor.compute().reshape(-1).tolist())
    values = [callable(a, b) for a, b in pairs]
    return self.copy_(np.array(values, dtype=self.dtype.numpy).reshape(self._shape))


attach(real=property(_real), apply_=_apply_, map_=_map_)
