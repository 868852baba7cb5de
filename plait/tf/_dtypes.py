"""TensorFlow's element types: names for the core's, and `string` beside them."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.core.ir import dtypes as core
from plait.core.ir.dtypes import DType as CoreType
from plait.core.ir.errors import error


class DType:
    """An element type as TensorFlow shows it. core: the core's type; None for strings."""

    def __init__(self, name: str, core_type: CoreType | None) -> None:
        self._name = name
        self.core: Any = core_type

    @property
    def name(self) -> str:
        return self._name

    @property
    def base_dtype(self) -> DType:
        return self

    @property
    def real_dtype(self) -> DType:
        """The type of the parts of a complex type; others are their own."""
        return self if self.core is None else BY_CORE[core.real_of(self.core)]

    @property
    def is_floating(self) -> bool:
        return self.core is not None and self.core.kind == "f"

    @property
    def is_integer(self) -> bool:
        return self.core is not None and self.core.kind in "iu"

    @property
    def is_unsigned(self) -> bool:
        return self.core is not None and self.core.kind == "u"

    @property
    def is_complex(self) -> bool:
        return self.core is not None and self.core.kind == "c"

    @property
    def is_bool(self) -> bool:
        return self is bool_

    @property
    def is_numeric(self) -> bool:
        return self.core is not None and self is not bool_

    @property
    def size(self) -> int:
        """Bytes of one element."""
        return 1 if self.core is None else self.core.itemsize

    @property
    def as_numpy_dtype(self) -> Any:
        """The NumPy scalar type."""
        return np.object_ if self.core is None else self.core.numpy.type

    @property
    def min(self) -> Any:
        """The least finite value. Raises TypeError where there is none."""
        return self._limit("min")

    @property
    def max(self) -> Any:
        """The largest finite value. Raises TypeError where there is none."""
        return self._limit("max")

    def _limit(self, which: str) -> Any:
        if self is bool_:
            return which == "max"
        if self.core is None or self.is_complex:
            raise error(TypeError, f"Cannot find {which}imum value of {self!r}.")
        if self.is_integer:
            return int(getattr(np.iinfo(self.core.numpy), which))
        if self.core.name == "bfloat16":
            import ml_dtypes

            return getattr(ml_dtypes.finfo(self.core.numpy), which)
        return getattr(np.finfo(self.core.numpy), which)

    def is_compatible_with(self, other: Any) -> bool:
        return as_dtype(other) is self

    def __eq__(self, other: object) -> bool:
        if other is None:
            return False
        if isinstance(other, DType):
            return self._name == other._name
        try:
            return as_dtype(other) is self
        except TypeError:
            return False

    def __hash__(self) -> int:
        return hash(self._name)

    def __repr__(self) -> str:
        return f"tf.{self._name}"

    def __str__(self) -> str:
        return f"<dtype: '{self._name}'>"

    def __reduce__(self) -> Any:
        return as_dtype, (self._name,)


bool_ = DType("bool", core.bool_)
int8, int16, int32, int64 = (
    DType(t.name, t) for t in (core.int8, core.int16, core.int32, core.int64)
)
uint8, uint16, uint32, uint64 = (
    DType(t.name, t) for t in (core.uint8, core.uint16, core.uint32, core.uint64)
)
float16, float32, float64 = (DType(t.name, t) for t in (core.float16, core.float32, core.float64))
bfloat16 = DType("bfloat16", core.bfloat16)
complex64, complex128 = (DType(t.name, t) for t in (core.complex64, core.complex128))
string = DType("string", None)
half, double = float16, float64

ALL = (
    bool_, int8, int16, int32, int64, uint8, uint16, uint32, uint64,
    float16, bfloat16, float32, float64, complex64, complex128, string,
)  # fmt: skip
BY_NAME = {d.name: d for d in ALL} | {"half": half, "double": double, "float": float32}
BY_CORE: dict[Any, DType] = {d.core: d for d in ALL if d.core is not None}
_PYTHON: dict[Any, DType] = {
    float: float32, int: int32, bool: bool_, complex: complex128, str: string, bytes: string,
    object: string, np.object_: string,
}  # fmt: skip
#: The words for element types in TensorFlow's messages.
MESSAGE_NAMES = {"float32": "float", "float64": "double", "float16": "half"}


def as_dtype(what: Any) -> DType:
    """The type meant by a type, its name, a NumPy or Python type. Raises TypeError for others."""
    if isinstance(what, DType):
        return what
    if isinstance(what, CoreType):
        return BY_CORE[what]
    if isinstance(what, str) and what in BY_NAME:
        return BY_NAME[what]
    if isinstance(what, type) and what in _PYTHON:
        return _PYTHON[what]
    if what is not None:
        try:
            as_numpy = np.dtype(what)
        except TypeError:
            pass
        else:
            if as_numpy.kind in "SUO":
                return string
            if as_numpy.name in BY_NAME:
                return BY_NAME[as_numpy.name]
    raise error(
        TypeError, f"Cannot convert the argument `type_value`: {what!r} to a TensorFlow DType."
    )


def message_name(dtype: DType) -> str:
    """TensorFlow's word for a type in its errors: float, double, int32, ..."""
    return MESSAGE_NAMES.get(dtype.name, dtype.name)
