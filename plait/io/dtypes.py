"""The element types of a checkpoint: their names, NumPy types and PyTorch storage classes.

Gives `numpy_dtype`, `item_size`, `storage_class` (dtype name to class name) and
`STORAGE_CLASS_DTYPES` (the reverse). PyTorch writes types younger than its storage classes
(`uint16`, ...) as raw bytes, and the dtype beside them.
"""

from __future__ import annotations

import numpy as np

from plait.core.ir.errors import error

STORAGE_CLASS_DTYPES: dict[str, str] = {
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
}

_CLASS_OF_DTYPE = {dtype: name for name, dtype in STORAGE_CLASS_DTYPES.items()}

# Types that have no storage class of their own; they travel as UntypedStorage.
UNTYPED_DTYPES = ("uint16", "uint32", "uint64")

DTYPE_NAMES: tuple[str, ...] = (*_CLASS_OF_DTYPE, *UNTYPED_DTYPES)

_ITEM_SIZES = {"bfloat16": 2, **{n: np.dtype(n).itemsize for n in DTYPE_NAMES if n != "bfloat16"}}


def item_size(dtype_name: str) -> int:
    """Bytes of one element; ValueError for a type that checkpoints of Plait cannot hold."""
    _check_known(dtype_name)
    return _ITEM_SIZES[dtype_name]


def numpy_dtype(dtype_name: str) -> np.dtype:
    """The NumPy type of `dtype_name` ("float32", "bfloat16", ...); ValueError if unknown."""
    _check_known(dtype_name)
    if dtype_name == "bfloat16":
        import ml_dtypes  # here, because import plait must stay light

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(dtype_name)


def storage_class(dtype_name: str) -> str | None:
    """PyTorch's storage class of a dtype ("FloatStorage"); None where only raw bytes will do."""
    _check_known(dtype_name)
    return _CLASS_OF_DTYPE.get(dtype_name)


def _check_known(dtype_name: str) -> None:
    if dtype_name not in _ITEM_SIZES:
        known = ", ".join(DTYPE_NAMES)
        raise error(
            ValueError, f"dtype {dtype_name!r} cannot be stored in a checkpoint; known: {known}"
        )
