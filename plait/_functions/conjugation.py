"""Complex parts of tensors that are real: PyTorch's functions take both."""

from __future__ import annotations

import math

from plait._functions.common import attach, public
from plait._functions.creation import full_like, ones_like, zeros_like
from plait._functions.pointwise import isnan, where
from plait._functions.shape import transpose
from plait._tensor import Tensor
from plait._unbuilt import not_built
from plait.core.ir import dtypes
from plait.core.ir.errors import error
from plait.core.ops.elementwise import cast


def _require_real(name: str, input: Tensor) -> None:
    if input.dtype.is_complex:
        raise not_built(f"torch.{name} of {input.dtype}")


@public
def conj(input: Tensor) -> Tensor:
    """The complex conjugate; a real tensor itself."""
    _require_real("conj", input)
    return input


@public(names=("resolve_conj", "resolve_neg"), inplace=True)
def conj_physical(input: Tensor) -> Tensor:
    """The complex conjugate in memory; a real tensor itself."""
    _require_real("conj_physical", input)
    return input


@public(method=False)
def real(input: Tensor) -> Tensor:
    """The real part; a real tensor itself."""
    _require_real("real", input)
    return input


@public
def isreal(input: Tensor) -> Tensor:
    """Whether each element has no imaginary part: a bool tensor."""
    _require_real("isreal", input)
    return ones_like(input.detach(), dtype=dtypes.bool_)


@public
def angle(input: Tensor) -> Tensor:
    """The argument of each element: 0, pi for negative ones, nan for nan; integers give floats."""
    _require_real("angle", input)
    x = input if input.dtype.kind == "f" else cast(input, dtypes.float32)
    turned = where(x < 0, full_like(x.detach(), math.pi), zeros_like(x.detach()))
    # Times 0, so that a nan stays one and a gradient of 0 flows.
    return where(isnan(x), x, turned + where(isnan(x), zeros_like(x.detach()), x.clamp(0, 0)))


def _adjoint(self: Tensor) -> Tensor:
    if self.ndim == 1:
        raise error(RuntimeError, "tensor.adjoint() is only supported on matrices or batches of "
                    f"matrices. Got 1-D tensor of shape {list(self.shape)}.")  # fmt: skip
    return conj(transpose(self, -2, -1)) if self.ndim else self


attach(mH=property(_adjoint), adjoint=_adjoint)
