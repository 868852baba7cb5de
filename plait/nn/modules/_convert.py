"""Changing all tensors of a module tree at once: dtype, device, memory.

Parameters keep their identity (their data is replaced), so that optimizers made before a conversion
still see them; buffers are replaced.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Self

import plait
from plait import Tensor
from plait.core.ir.errors import error
from plait.nn.modules._traverse import TraversalMixin


def parse_to(
    *args: Any,
    device: Any = None,
    dtype: Any = None,
    non_blocking: bool = False,
    copy: bool = False,
    memory_format: Any = None,
) -> tuple[Any, Any, bool, Any]:
    """Read the overloads of `to`: (device, dtype, non_blocking), (dtype, ...), (tensor, ...).

    Returns `(device or None, dtype or None, non_blocking, memory_format or None)`.
    """
    rest = list(args)
    if rest and isinstance(rest[0], Tensor):
        other = rest.pop(0)
        device, dtype = other.device, other.dtype
    elif rest and isinstance(rest[0], plait.dtype):
        dtype = rest.pop(0)
    else:
        if rest:
            device = rest.pop(0)
        if rest and (rest[0] is None or isinstance(rest[0], plait.dtype)):
            dtype = rest.pop(0)
    if rest:
        non_blocking = bool(rest.pop(0))
    # A fourth positional argument is `copy`, which modules ignore.
    if len(rest) > 1:
        received = ", ".join(type(arg).__name__ for arg in args)
        raise error(
            TypeError, f"to() received an invalid combination of arguments - got ({received})"
        )
    if dtype is not None and not isinstance(dtype, plait.dtype):
        raise error(
            TypeError, f"to(): argument 'dtype' must be torch.dtype, not {type(dtype).__name__}"
        )
    if device is not None and not isinstance(device, plait.device):
        device = plait.device(device)
    return device, dtype, non_blocking, memory_format


def _replace_data(tensor: Tensor, value: Tensor) -> None:
    if value is not tensor:
        tensor.data = value


class ConversionMixin(TraversalMixin):
    """The part of `Module` that maps a function over all of its tensors."""

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Replace every parameter's data, gradient and every buffer by `fn` of it."""
        if recurse:
            for module in self._modules.values():
                if module is not None:
                    module._apply(fn)
        for name, parameter in self._parameters.items():
            if parameter is None:
                continue
            gradient = parameter.grad
            with plait.no_grad():
                value = fn(parameter)
                if value.is_meta != parameter.is_meta:
                    # Without memory, or with one now: it cannot be the same object.
                    self._parameters[name] = plait.nn.Parameter(value, parameter.requires_grad)
                    continue
                _replace_data(parameter, value)
                if gradient is not None:
                    _replace_data(gradient, fn(gradient))
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def _cast_floating(self, dtype: Any) -> Self:
        return self._apply(lambda t: t.to(dtype) if t.is_floating_point() else t)

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Move and cast: `to(device, dtype, non_blocking)`, `to(dtype)` or `to(tensor)`.

        Only floating point and complex tensors are cast. Works in place and returns self. An
        integer dtype is a TypeError.
        """
        device, dtype, non_blocking, memory_format = parse_to(*args, **kwargs)
        if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
            raise error(
                TypeError,
                "nn.Module.to only accepts floating point or complex "
                f"dtypes, but got desired dtype={dtype}",
            )
        if dtype is not None and dtype.is_complex:
            warnings.warn(
                "Complex modules are a new feature under active development whose design may "
                "change, and some modules might not work as expected when using complex tensors "
                "as parameters or buffers.",
                stacklevel=2,
            )

        def convert(tensor: Tensor) -> Tensor:
            options: dict[str, Any] = {}
            if device is not None:
                options["device"] = device
            if dtype is not None and (tensor.is_floating_point() or tensor.is_complex()):
                options["dtype"] = dtype
            if memory_format is not None and tensor.dim() in (4, 5):
                options["memory_format"] = memory_format
            if not options:
                return tensor
            if tensor.is_meta and device is not None and device.type != "meta":
                raise error(
                    NotImplementedError,
                    "Cannot copy out of meta tensor; no data! Please use "
                    "torch.nn.Module.to_empty() instead of torch.nn.Module.to() when moving "
                    "module from meta to a different device.",
                )
            return tensor.to(non_blocking=non_blocking, **options)

        return self._apply(convert)

    def to_empty(self, *, device: Any, recurse: bool = True) -> Self:
        """Move to `device` without copying: the new values are undefined."""
        return self._apply(lambda t: plait.empty_like(t, device=device), recurse=recurse)

    def type(self, dst_type: Any) -> Self:
        """Cast all parameters and buffers, integer ones too, to `dst_type`."""
        return self._apply(lambda t: t.type(dst_type))

    def float(self) -> Self:
        """Cast floating point parameters and buffers to float32."""
        return self._cast_floating(plait.float32)

    def double(self) -> Self:
        """Cast floating point parameters and buffers to float64."""
        return self._cast_floating(plait.float64)

    def half(self) -> Self:
        """Cast floating point parameters and buffers to float16."""
        return self._cast_floating(plait.float16)

    def bfloat16(self) -> Self:
        """Cast floating point parameters and buffers to bfloat16."""
        return self._cast_floating(plait.bfloat16)

    def cpu(self) -> Self:
        """Move to the CPU."""
        return self._apply(lambda t: t.cpu())

    def cuda(self, device: Any = None) -> Self:
        """Move to a CUDA device; a tensor's own error is raised where there is none."""
        return self._apply(lambda t: t.cuda(device))

    def share_memory(self) -> Self:
        """Move all tensors to memory that other processes can map."""
        return self._apply(lambda t: t.share_memory_())

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Set whether autograd records operations on the parameters (freezing and unfreezing)."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients of all parameters, or set them to zero."""
        for parameter in self.parameters():
            if set_to_none:
                parameter.grad = None
                continue
            if parameter.grad is None:
                continue
            if parameter.grad.grad_fn is not None:
                parameter.grad.detach_()
            else:
                parameter.grad.requires_grad_(False)
            parameter.grad.zero_()
