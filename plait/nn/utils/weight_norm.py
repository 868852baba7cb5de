"""Weight normalisation (Salimans & Kingma 2016): a weight as direction `v` times length `g`."""

from __future__ import annotations

import warnings
from typing import Any

import plait
from plait import Tensor
from plait.core.ir.errors import error
from plait.nn.parameter import Parameter, is_lazy

__all__ = ["WeightNorm", "remove_weight_norm", "weight_norm"]


def norm_except_dim(tensor: Tensor, dim: int | None) -> Tensor:
    """The 2-norm over all axes but `dim`, which keep extent 1; over all axes if it is None."""
    if dim is None:
        return plait.linalg.vector_norm(tensor)
    axes = [axis for axis in range(tensor.dim()) if axis != dim % tensor.dim()]
    return plait.linalg.vector_norm(tensor, dim=axes, keepdim=True) if axes else tensor.abs()


class WeightNorm:
    """The forward pre-hook that computes the weight from its `_g` and `_v` before every call."""

    def __init__(self, name: str, dim: int | None) -> None:
        self.name = name
        self.dim = dim

    def compute_weight(self, module: Any) -> Tensor:
        """`v * g / |v|`."""
        g = getattr(module, self.name + "_g")
        v = getattr(module, self.name + "_v")
        return v * (g / norm_except_dim(v, self.dim))

    def __call__(self, module: Any, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module))


def _find(module: Any, name: str) -> tuple[int, WeightNorm] | None:
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, WeightNorm) and hook.name == name:
            return key, hook
    return None


def weight_norm(module: Any, name: str = "weight", dim: int | None = 0) -> Any:
    """Replace the parameter `name` by `name_g` (length per `dim`) and `name_v` (direction).

    `dim=None` takes the norm of the whole weight. Returns the module.
    """
    warnings.warn(
        "`torch.nn.utils.weight_norm` is deprecated "
        "in favor of `torch.nn.utils.parametrizations.weight_norm`.",
        FutureWarning,
        stacklevel=2,
    )
    if _find(module, name) is not None:
        raise error(
            RuntimeError, f"Cannot register two weight_norm hooks on the same parameter {name}"
        )
    weight = getattr(module, name)
    if is_lazy(weight):
        raise error(
            ValueError,
            "The module passed to `WeightNorm` can't have uninitialized parameters. "
            "Make sure to run the dummy forward before applying weight normalization",
        )
    # -1 stands for None among PyTorch's users.
    hook = WeightNorm(name, None if dim == -1 else dim)
    delattr(module, name)
    module.register_parameter(name + "_g", Parameter(norm_except_dim(weight, hook.dim).detach()))
    module.register_parameter(name + "_v", Parameter(weight.data))
    setattr(module, name, hook.compute_weight(module))
    module.register_forward_pre_hook(hook)
    return module


def remove_weight_norm(module: Any, name: str = "weight") -> Any:
    """Make `name` an ordinary parameter again, with its present value. Returns the module."""
    found = _find(module, name)
    if found is None:
        raise error(ValueError, f"weight_norm of '{name}' not found in {module}")
    key, hook = found
    weight = hook.compute_weight(module).detach()
    for attribute in (name, name + "_g", name + "_v"):
        delattr(module, attribute)
    setattr(module, name, Parameter(weight))
    del module._forward_pre_hooks[key]
    return module
