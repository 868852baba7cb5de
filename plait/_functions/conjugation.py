"""Complex numbers and their parts; PyTorch's functions take real tensors too."""

from __future__ import annotations

import math

from plait._functions.common import attach, public, tensor_argument
from plait._functions.creation import ones_like, zeros_like
from plait._functions.joining import stack
from plait._functions.pointwise import (
    abs,
    atan2,
    conjugate,
    cos,
    div,
    eq,
    isnan,
    mul,
    sign,
    sin,
    where,
)
from plait._functions.shape import transpose
from plait._tensor import Tensor, scalar_type
from plait.core.functional.norms import vector_norm
from plait.core.ir import dtypes
from plait.core.ir.errors import error
from plait.core.ops.complex_parts import VIEW_AS_COMPLEX, VIEW_AS_REAL
from plait.core.ops.elementwise import cast
from plait.core.ops.view import reshape

# -- between complex numbers and pairs of real ones -------------------------------------------


@public(method=False)
def view_as_real(input: Tensor) -> Tensor:
    """(..., 2) real and imaginary parts; memory of its own, where PyTorch gives a view."""
    if not input.dtype.is_complex:
        raise error(
            RuntimeError,
            "view_as_real is only supported for complex tensors, received "
            f"{scalar_type(input.dtype)}",
        )
    return VIEW_AS_REAL(input)


@public(method=False)
def view_as_complex(input: Tensor) -> Tensor:
    """Complex numbers of (..., 2) parts; memory of its own, where PyTorch gives a view."""
    if input.dtype.kind != "f" or input.dtype.is_half:
        raise error(
            RuntimeError,
            "view_as_complex is only supported for half, float and double tensors, but got a "
            f"tensor of scalar type: {scalar_type(input.dtype)}",
        )
    if not input.ndim:
        raise error(RuntimeError, "Input tensor must have one or more dimensions")
    if input.shape[-1] != 2:
        raise error(
            RuntimeError,
            f"Tensor must have a last dimension of size 2, received shape {list(input.shape)}",
        )
    return VIEW_AS_COMPLEX(input)


def _require_parts(name: str, first: Tensor, second: Tensor) -> None:
    tensor_argument(name, "input", first)
    tensor_argument(name, "other", second)
    if first.dtype.kind != "f" or first.dtype.is_half or second.dtype.kind != "f":
        raise error(
            RuntimeError,
            "Expected both inputs to be Half, Float or Double tensors but got "
            f"{scalar_type(first.dtype)} and {scalar_type(second.dtype)}",
        )
    if first.dtype is not second.dtype:
        raise error(
            RuntimeError,
            f"Expected object of scalar type {scalar_type(first.dtype)} but got scalar type "
            f"{scalar_type(second.dtype)} for second argument",
        )


@public(method=False)
def complex(real: Tensor, imag: Tensor) -> Tensor:
    """The complex numbers of these real and imaginary parts."""
    _require_parts("complex", real, imag)
    first, second = mul(real, ones_like(imag.detach())), mul(imag, ones_like(real.detach()))
    return VIEW_AS_COMPLEX(stack([first, second], -1))


@public(method=False)
def polar(abs: Tensor, angle: Tensor) -> Tensor:
    """The complex numbers of these sizes and angles."""
    _require_parts("polar", abs, angle)
    return VIEW_AS_COMPLEX(stack([mul(abs, cos(angle)), mul(abs, sin(angle))], -1))


def modulus(input: Tensor) -> Tensor:
    """The sizes of complex numbers; no gradient flows to a 0."""
    return reshape(vector_norm(VIEW_AS_REAL(input), 2.0, (input.ndim,)), tuple(input.shape))


def direction(input: Tensor) -> Tensor:
    """Complex numbers scaled to size 1; 0 stays 0."""
    size = modulus(input)
    nothing = eq(size, 0)
    return where(nothing, zeros_like(input.detach()), div(input, where(nothing, 1.0, size)))


# -- parts ------------------------------------------------------------------------------------


@public
def conj(input: Tensor) -> Tensor:
    """The complex conjugate; a real tensor itself."""
    return conjugate(input)


@public(names=("resolve_neg",))
def resolve_conj(input: Tensor) -> Tensor:
    """The tensor itself: conjugates are computed, not marked."""
    return input


@public(inplace=True)
def conj_physical(input: Tensor) -> Tensor:
    """The complex conjugate in memory; a real tensor itself."""
    return conj(input)


@public(names=("is_neg",))
def is_conj(input: Tensor) -> bool:
    """False: conjugates are computed, not marked."""
    return False


@public(method=False)
def real(input: Tensor) -> Tensor:
    """The real part; a real tensor itself."""
    return cast(input, dtypes.real_of(input.dtype))


@public(method=False)
def imag(input: Tensor) -> Tensor:
    """The imaginary part. Raises RuntimeError for a real tensor."""
    if not input.dtype.is_complex:
        raise error(RuntimeError, "imag is not implemented for tensors with non-complex dtypes.")
    return VIEW_AS_REAL(input)[..., 1]


@public
def isreal(input: Tensor) -> Tensor:
    """Whether each element has no imaginary part: a bool tensor."""
    if input.dtype.is_complex:
        return eq(imag(input.detach()), 0)
    return ones_like(input.detach(), dtype=dtypes.bool_)


@public
def angle(input: Tensor) -> Tensor:
    """The argument of each element: 0, pi for negative ones, nan for nan; integers give floats."""
    if input.dtype.is_complex:
        parts = VIEW_AS_REAL(input)
        return atan2(parts[..., 1], parts[..., 0])
    x = input if input.dtype.kind == "f" else cast(input, dtypes.float32)
    # Through the sign, so that a gradient of 0 flows.
    side = sign(x)
    return where(isnan(x), x.detach(), (abs(side) - side) * (math.pi / 2))


def _adjoint(self: Tensor) -> Tensor:
    if self.ndim == 1:
        raise error(RuntimeError, "tensor.adjoint() is only supported on matrices or batches of "
                    f"matrices. Got 1-D tensor of shape {list(self.shape)}.")  # fmt: skip
    return conj(transpose(self, -2, -1)) if self.ndim else self


attach(mH=property(_adjoint), adjoint=_adjoint, imag=property(imag))
