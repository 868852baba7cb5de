"""Names that are both function and method where one of the two lives elsewhere."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from plait._functions.common import FUNCTIONS, attach, public
from plait._tensor import Tensor


@public(method=False)
def clone(input: Tensor, *, memory_format: Any = None) -> Tensor:
    """A copy; gradients flow through it."""
    return input.clone()


@public(method=False)
def detach(input: Tensor) -> Tensor:
    """The same memory outside of autograd."""
    return input.detach()


@public(method=False)
def get_device(input: Tensor) -> int:
    """The number of the device, -1 for the CPU."""
    return input.get_device()


@public(method=False)
def is_signed(input: Tensor) -> bool:
    """Whether the dtype has negative numbers."""
    return input.is_signed()


@public(method=False)
def is_inference(input: Tensor) -> bool:
    """Whether the tensor was made in inference mode."""
    return input.is_inference()


@public
def is_distributed(input: Tensor) -> bool:
    """False: no tensor is spread over processes."""
    return False


@public(method=False)
def adjoint(input: Tensor) -> Tensor:
    """The conjugate transpose of matrices. Raises RuntimeError for vectors."""
    return input.adjoint()  # type: ignore[attr-defined]  # attached by a late family


@public
def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape."""
    return input._shape == other._shape


def _copying(name: str) -> Callable[..., Tensor]:
    def copy(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return FUNCTIONS[name](input, *args, **kwargs).clone()

    copy.__name__ = f"{name}_copy"
    copy.__doc__ = f"`{name}` as a copy instead of a view."
    return public(copy, method=False)


for _name in ("expand", "permute", "transpose", "t", "squeeze", "unsqueeze", "view", "select"):
    _copying(_name)


def _of_functional(name: str) -> Callable[..., Tensor]:
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        functional = importlib.import_module("plait.nn.functional")
        return getattr(functional, name)(self, *args, **kwargs)

    method.__name__ = name
    method.__doc__ = f"See `torch.nn.functional.{name}`."
    return method


def _in_place(name: str) -> None:
    def write(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return getattr(input, name)(*args, **kwargs)

    write.__name__ = name
    write.__doc__ = f"See `Tensor.{name}`."
    public(write, method=False)


#: In-place methods that PyTorch also has as functions.
for _name in [
    "abs_",
    "acos_",
    "acosh_",
    "addmv_",
    "arccos_",
    "arccosh_",
    "arcsin_",
    "arcsinh_",
    "arctan_",
    "arctanh_",
    "asin_",
    "asinh_",
    "atan_",
    "atanh_",
    "ceil_",
    "clamp_",
    "clamp_max_",
    "clamp_min_",
    "clip_",
    "cos_",
    "cosh_",
    "deg2rad_",
    "detach_",
    "erf_",
    "erfc_",
    "exp2_",
    "exp_",
    "expm1_",
    "fill_",
    "fix_",
    "floor_",
    "frac_",
    "i0_",
    "index_put_",
    "ldexp_",
    "log10_",
    "log1p_",
    "log2_",
    "log_",
    "logit_",
    "nan_to_num_",
    "neg_",
    "negative_",
    "rad2deg_",
    "reciprocal_",
    "relu_",
    "resize_as_",
    "round_",
    "rsqrt_",
    "sigmoid_",
    "sin_",
    "sinc_",
    "sinh_",
    "sqrt_",
    "square_",
    "tan_",
    "tanh_",
    "trunc_",
    "xlogy_",
    "zero_",
]:
    _in_place(_name)


# `nn.functional` loads when one of these is first called.
attach(**{name: _of_functional(name) for name in ("hardshrink", "prelu")})


@public
def softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """exp(input) divided by its sum along `dim`, in `dtype` where one is given."""
    return importlib.import_module("plait.nn.functional").softmax(input, dim, dtype=dtype)


@public
def log_softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """The logarithm of softmax along `dim`."""
    return importlib.import_module("plait.nn.functional").log_softmax(input, dim, dtype=dtype)
