"""The element types of tensors.

A `DType` is a named, interned description: comparing by identity is enough. NumPy has no
bfloat16, so `DType.numpy` imports ml-dtypes for it, and only then.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np


class DType:
    """One element type: its name, kind and size in bytes.

    `kind` is NumPy's letter: ``b`` bool, ``u``/``i`` integers, ``f`` floats, ``c`` complex.
    """

    #: How a dtype prints itself; a dialect may set its own prefix ("torch.").
    prefix = "plait."

    def __init__(self, name: str, kind: str, itemsize: int) -> None:
        self.name = name
        self.kind = kind
        self.itemsize = itemsize
        self.is_floating_point = kind == "f"
        self.is_complex = kind == "c"
        self.is_signed = kind in "ifc"
        self.is_integer = kind in "iu"
        #: 16-bit floats compute in float32 and round once per op.
        self.is_half = kind == "f" and itemsize == 2

    @cached_property
    def numpy(self) -> np.dtype:
        """The NumPy dtype that holds elements of this type."""
        if self.name == "bfloat16":
            import ml_dtypes

            return np.dtype(ml_dtypes.bfloat16)
        return np.dtype(self.name)

    @property
    def is_differentiable(self) -> bool:
        return self.kind in "fc"

    def __repr__(self) -> str:
        return DType.prefix + self.name

    def __reduce__(self):
        return (dtype_of, (self.name,))

    def __copy__(self) -> DType:
        return self

    def __deepcopy__(self, memo: object) -> DType:
        return self


bool_ = DType("bool", "b", 1)
uint8 = DType("uint8", "u", 1)
uint16 = DType("uint16", "u", 2)
uint32 = DType("uint32", "u", 4)
uint64 = DType("uint64", "u", 8)
int8 = DType("int8", "i", 1)
int16 = DType("int16", "i", 2)
int32 = DType("int32", "i", 4)
int64 = DType("int64", "i", 8)
float16 = DType("float16", "f", 2)
bfloat16 = DType("bfloat16", "f", 2)
float32 = DType("float32", "f", 4)
float64 = DType("float64", "f", 8)
complex64 = DType("complex64", "c", 8)
complex128 = DType("complex128", "c", 16)

ALL = (
    bool_, uint8, uint16, uint32, uint64, int8, int16, int32, int64,
    float16, bfloat16, float32, float64, complex64, complex128,
)  # fmt: skip
BY_NAME = {dtype.name: dtype for dtype in ALL}

#: The types that user programs meet; the wide unsigned ones appear in random bits only.
COMMON = (bool_, uint8, int8, int16, int32, int64, float16, bfloat16, float32, float64)
FLOATS = (float16, bfloat16, float32, float64)
COMPLEX = (complex64, complex128)
INTEGERS = (uint8, int8, int16, int32, int64)


def dtype_of(what: object) -> DType:
    """The DType meant by a DType, its name, a NumPy dtype or scalar type.

    Raises TypeError for anything else.
    """
    if isinstance(what, DType):
        return what
    name = what if isinstance(what, str) else np.dtype(what).name  # type: ignore[arg-type]  # np checks
    try:
        return BY_NAME[name]
    except KeyError:
        raise TypeError(
            f"dtype {name!r} is not one that tensors hold; the supported ones are: "
            f"{', '.join(sorted(BY_NAME))}"
        ) from None


def real_of(dtype: DType) -> DType:
    """The dtype of the parts of a complex dtype; other dtypes are their own."""
    return {"complex64": float32, "complex128": float64}.get(dtype.name, dtype)


def complex_of(dtype: DType) -> DType:
    """The complex dtype whose parts have this float dtype."""
    return complex128 if dtype in (float64, complex128) else complex64
