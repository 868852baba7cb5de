"""Complex values and their real and imaginary parts.

Derivative rules here and elsewhere are linear in the complex numbers: the gradient of z = x + iy is
dL/dx - i dL/dy, so that the rules of holomorphic functions need no conjugates. PyTorch's gradient,
dL/dx + i dL/dy, is its conjugate: `lazy.grad` turns one into the other around each rule.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.core.ir import dtypes
from plait.core.ir.dtypes import complex_of, real_of
from plait.core.ir.errors import DTypeError, ShapeError
from plait.core.ir.op import Lowering, Op
from plait.core.ops.families import require_kind


def _infer_conj(x: Any) -> tuple[Any, Any]:
    """The conjugates of complex values."""
    require_kind("conj", x.dtype, "c")
    return x.shape, x.dtype


CONJ = Op(
    "conj",
    infer=_infer_conj,
    lowering=Lowering.ELEMENTWISE,
    reference=np.conj,
    vjp=lambda g, y, x: CONJ(g),
    dtypes=dtypes.COMPLEX,
)

_REALS = (dtypes.float32, dtypes.float64)


def _infer_view_as_real(x: Any) -> tuple[Any, Any]:
    """(..., 2) real and imaginary parts of complex values."""
    if x.dtype not in dtypes.COMPLEX:
        raise DTypeError(f"view_as_real: expected complex values, received {x.dtype.name}")
    return (*x.shape, 2), real_of(x.dtype)


def _view_as_real(x: np.ndarray) -> np.ndarray:
    return np.stack([np.real(x), np.imag(x)], -1)


VIEW_AS_REAL = Op(
    "view_as_real",
    infer=_infer_view_as_real,
    lowering=Lowering.OPAQUE,
    reference=_view_as_real,
    vjp=lambda g, y, x: CONJ(VIEW_AS_COMPLEX(g)),
    flops=lambda x: 0,
    dtypes=dtypes.COMPLEX,
)


def _infer_view_as_complex(x: Any) -> tuple[Any, Any]:
    """The complex values of (..., 2) real and imaginary parts."""
    if x.dtype not in _REALS:
        raise DTypeError(f"view_as_complex: expected float32 or float64, received {x.dtype.name}")
    if not x.shape or x.shape[-1] != 2:
        raise ShapeError(
            f"view_as_complex: expected a last axis of extent 2, received shape {list(x.shape)}"
        )
    return x.shape[:-1], complex_of(x.dtype)


def _view_as_complex(x: np.ndarray) -> np.ndarray:
    y = np.empty(x.shape[:-1], complex_of(dtypes.dtype_of(x.dtype)).numpy)
    y.real, y.imag = x[..., 0], x[..., 1]
    return y


VIEW_AS_COMPLEX = Op(
    "view_as_complex",
    infer=_infer_view_as_complex,
    lowering=Lowering.OPAQUE,
    reference=_view_as_complex,
    vjp=lambda g, y, x: VIEW_AS_REAL(CONJ(g)),
    flops=lambda x: 0,
    dtypes=_REALS,
)
