"""Constructors of op records that share their rules: unary, binary, comparison, reduction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from plait.core.ir import dtypes
from plait.core.ir.dtypes import DType
from plait.core.ir.errors import DTypeError, ShapeError
from plait.core.ir.op import Lowering, Op, elements

FLOAT = "fc"
REAL = "f"
NUMBER = "iufc"
ORDERED = "biuf"
INTEGER = "iu"
BITS = "biu"
ANY = "biufc"

_KIND_NAMES = {"b": "bool", "i": "signed", "u": "unsigned", "f": "float", "c": "complex"}


def require_kind(name: str, dtype: DType, kinds: str) -> None:
    """Raise DTypeError unless the dtype is of one of these kinds."""
    if dtype.kind not in kinds:
        wanted = ", ".join(_KIND_NAMES[k] for k in kinds)
        raise DTypeError(f"{name}: dtype {dtype.name} is not supported; expected one of: {wanted}")


def require_same_dtype(name: str, *values: Any) -> None:
    """Raise DTypeError unless all values have one dtype: the IR never casts by itself."""
    first = values[0].dtype
    for value in values[1:]:
        if value.dtype is not first:
            received = ", ".join(v.dtype.name for v in values)
            raise DTypeError(f"{name}: operands must have one dtype, received {received}")


def require_same_shape(name: str, *values: Any) -> None:
    """Raise ShapeError unless all values have one shape: broadcasts are explicit."""
    first = values[0].shape
    for value in values[1:]:
        if value.shape != first:
            received = ", ".join(str(list(v.shape)) for v in values)
            raise ShapeError(f"{name}: operands must have one shape, received {received}")


def test_dtypes(kinds: str) -> tuple[DType, ...]:
    """The common dtypes of these kinds."""
    return tuple(d for d in dtypes.COMMON if d.kind in kinds)


def contiguous(x: np.ndarray) -> np.ndarray:
    """`x` in row-major memory: a copy unless it is already.

    NumPy's vector and scalar loops differ in the last bit, and the layout of the operands decides
    which one runs; so does the order of its sums. On contiguous operands a result depends on values
    alone.
    """
    return x if x.flags.c_contiguous else x.copy(order="C")


def unary(
    name: str,
    reference: Callable[..., Any],
    *,
    body: Callable[..., Any] | None = None,
    vjp: Callable[..., Any] | None = None,
    saves: tuple[int | str, ...] = (),
    kinds: str = FLOAT,
    result: DType | None = None,
    flops: int = 1,
    domain: tuple[float, float] = (-3.0, 3.0),
) -> Op:
    """An elementwise op of one operand; `result` is its dtype where that is another."""

    def infer(x: Any, **attrs: Any) -> tuple[Any, Any]:
        require_kind(name, x.dtype, kinds)
        return x.shape, result or x.dtype

    return Op(
        name,
        infer=infer,
        lowering=Lowering.ELEMENTWISE,
        reference=lambda x, **attrs: reference(contiguous(x), **attrs),
        body=body,
        vjp=vjp,
        saves=saves,
        flops=lambda x, **attrs: flops * elements(x.shape),
        dtypes=test_dtypes(kinds),
        domain=domain,
    )


def binary(
    name: str,
    reference: Callable[..., Any],
    *,
    vjp: Callable[..., Any] | None = None,
    saves: tuple[int | str, ...] = (),
    reads: tuple[tuple[int, ...], ...] | None = None,
    kinds: str = NUMBER,
    result: DType | None = None,
    check: Callable[..., None] | None = None,
    checks: tuple[int, ...] = (),
    flops: int = 1,
    domain: tuple[float, float] = (-3.0, 3.0),
) -> Op:
    """An elementwise op of two operands of one shape and dtype."""

    def infer(a: Any, b: Any) -> tuple[Any, Any]:
        require_same_dtype(name, a, b)
        require_same_shape(name, a, b)
        require_kind(name, a.dtype, kinds)
        return a.shape, result or a.dtype

    return Op(
        name,
        infer=infer,
        lowering=Lowering.ELEMENTWISE,
        reference=reference,
        vjp=vjp,
        saves=saves,
        reads=reads,
        check=check,
        checks=checks,
        flops=lambda a, b: flops * elements(a.shape),
        dtypes=test_dtypes(kinds),
        domain=domain,
    )


def comparison(name: str, reference: Callable[..., Any], kinds: str = ORDERED) -> Op:
    """An elementwise comparison: bool result, no gradient."""
    return binary(name, reference, kinds=kinds, result=dtypes.bool_)


def reduced_shape(name: str, shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape after folding `axes` (sorted, non-negative, distinct) to extent 1."""
    if any(not 0 <= axis < len(shape) for axis in axes) or list(axes) != sorted(set(axes)):
        raise ShapeError(f"{name}: axes {axes} do not fit an operand of shape {list(shape)}")
    return tuple([1 if i in axes else n for i, n in enumerate(shape)])


def reduction(
    name: str,
    reference: Callable[..., Any],
    *,
    vjp: Callable[..., Any] | None = None,
    saves: tuple[int | str, ...] = (),
    body: Callable[..., Any] | None = None,
    kinds: str = NUMBER,
    result: DType | None = None,
    empty: bool = True,
) -> Op:
    """A fold over `axes`, which stay in the shape with extent 1.

    `empty=False`: there is no result for a fold over no elements (max, argmax).
    """

    def infer(x: Any, *, axes: tuple[int, ...]) -> tuple[Any, Any]:
        require_kind(name, x.dtype, kinds)
        shape = reduced_shape(name, x.shape, axes)
        if not empty and any(x.shape[axis] == 0 for axis in axes):
            raise ShapeError(
                f"{name}: expected a reduction over at least one element, received shape "
                f"{list(x.shape)} and axes {axes}"
            )
        return shape, result or x.dtype

    return Op(
        name,
        infer=infer,
        lowering=Lowering.REDUCE,
        reference=reference,
        vjp=vjp,
        saves=saves,
        body=body,
        dtypes=test_dtypes(kinds),
    )
