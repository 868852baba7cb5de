"""Convolutions and transposed convolutions over one to three spatial axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import plait
from plait import Tensor
from plait.core.ir.errors import error
from plait.nn import functional as F
from plait.nn import init
from plait.nn.modules.lazy import LazyModuleMixin
from plait.nn.modules.module import Module
from plait.nn.modules.utils import _ntuple, _reverse_repeat_tuple
from plait.nn.parameter import Parameter, UninitializedParameter

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "LazyConv1d",
    "LazyConv2d",
    "LazyConv3d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyConvTranspose3d",
]

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvNd(Module):
    """What all convolutions share: parameters, their initialisation, checks, printing.

    `weight` is (out, in / groups, *kernel), or (in, out / groups, *kernel) when transposed.
    """

    _spatial: int
    bias: Tensor | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: tuple[int, ...],
        stride: tuple[int, ...],
        padding: str | tuple[int, ...],
        dilation: tuple[int, ...],
        transposed: bool,
        output_padding: tuple[int, ...],
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        _check_convolution(in_channels, out_channels, groups, padding, stride, padding_mode)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.transposed = transposed
        self.output_padding = output_padding
        self.groups = groups
        self.padding_mode = padding_mode
        self._reversed_padding_repeated_twice = _explicit_padding(padding, kernel_size, dilation)
        channels = (out_channels, in_channels // groups)
        if transposed:
            channels = (in_channels, out_channels // groups)
        self.weight = Parameter(plait.empty((*channels, *kernel_size), device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(plait.empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw new values, uniform within 1 / sqrt(fan_in)."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        count = len(self.kernel_size)
        parts = [
            f"{self.in_channels}, {self.out_channels}",
            f"kernel_size={self.kernel_size}",
            f"stride={self.stride}",
        ]
        if self.padding != (0,) * len(self.padding):
            parts.append(f"padding={self.padding}")
        if self.dilation != (1,) * count:
            parts.append(f"dilation={self.dilation}")
        if self.output_padding != (0,) * count:
            parts.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.__dict__.setdefault("padding_mode", "zeros")  # absent from the oldest pickles


def _check_convolution(
    in_channels: int,
    out_channels: int,
    groups: int,
    padding: str | tuple[int, ...],
    stride: tuple[int, ...],
    padding_mode: str,
) -> None:
    if groups <= 0:
        raise error(ValueError, "groups must be a positive integer")
    if in_channels % groups != 0:
        raise error(
            ValueError,
            f"in_channels must be divisible by groups, got in_channels={in_channels} "
            f"and groups={groups}",
        )
    if out_channels % groups != 0:
        raise error(
            ValueError,
            f"out_channels must be divisible by groups, got out_channels={out_channels} "
            f"and groups={groups}",
        )
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise error(
                ValueError, f"Invalid padding string {padding!r}, should be one of 'same', 'valid'"
            )
        if padding == "same" and any(step != 1 for step in stride):
            raise error(ValueError, "padding='same' is not supported for strided convolutions")
    if padding_mode not in _PADDING_MODES:
        raise error(
            ValueError,
            f"padding_mode must be one of {_PADDING_MODES}, but got padding_mode='{padding_mode}'",
        )


def _explicit_padding(
    padding: str | tuple[int, ...], kernel_size: Sequence[int], dilation: Sequence[int]
) -> tuple[int, ...]:
    """The padding in the order of `F.pad`: last axis first, before and after each."""
    if not isinstance(padding, str):
        return _reverse_repeat_tuple(padding, 2)
    amounts: list[int] = []
    for step, extent in zip(reversed(dilation), reversed(kernel_size)):
        total = step * (extent - 1) if padding == "same" else 0
        amounts += [total // 2, total - total // 2]
    return tuple(amounts)


class _Conv(_ConvNd):
    """A convolution of `_spatial` axes; the public classes only name the number of axes."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: str | int | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        repeated = _ntuple(self._spatial)
        super().__init__(
            in_channels,
            out_channels,
            repeated(kernel_size),
            repeated(stride),
            padding if isinstance(padding, str) else repeated(padding),
            repeated(dilation),
            False,
            repeated(0),
            groups,
            bias,
            padding_mode,
            device=device,
            dtype=dtype,
        )

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        convolve = (F.conv1d, F.conv2d, F.conv3d)[self._spatial - 1]
        padding = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = (0,) * self._spatial
        return convolve(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def forward(self, input: Tensor) -> Tensor:
        held = self.__dict__["_parameters"]
        if "weight" in held and "bias" in held:  # at once: see `Linear`
            return self._conv_forward(input, held["weight"], held["bias"])
        return self._conv_forward(input, self.weight, self.bias)


class Conv1d(_Conv):
    """Convolution: (N, C_in, L) or (C_in, L) to (N, C_out, L_out).

    `padding` is an amount, "same" or "valid"; `padding_mode` "zeros", "reflect", "replicate" or
    "circular". Weights start uniform within 1 / sqrt(fan_in).
    """

    _spatial = 1


class Conv2d(_Conv):
    """Convolution: (N, C_in, H, W) or (C_in, H, W) to (N, C_out, H_out, W_out). See `Conv1d`."""

    _spatial = 2


class Conv3d(_Conv):
    """Convolution: (N, C_in, D, H, W) or without N. See `Conv1d`."""

    _spatial = 3


class _ConvTransposeNd(_ConvNd):
    """A transposed convolution of `_spatial` axes: the gradient of `_Conv` as a layer."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | tuple[int, ...] = 0,
        output_padding: int | tuple[int, ...] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | tuple[int, ...] = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise error(
                ValueError, f'Only "zeros" padding mode is supported for {self.__class__.__name__}'
            )
        repeated = _ntuple(self._spatial)
        super().__init__(
            in_channels,
            out_channels,
            repeated(kernel_size),
            repeated(stride),
            repeated(padding),
            repeated(dilation),
            True,
            repeated(output_padding),
            groups,
            bias,
            padding_mode,
            device=device,
            dtype=dtype,
        )

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        transpose = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)
        output_padding = self._output_padding(input, output_size)
        return transpose[self._spatial - 1](
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            output_padding,
            self.groups,
            self.dilation,
        )

    def _output_padding(self, input: Tensor, output_size: Sequence[int] | None) -> tuple[int, ...]:
        """The extra extent that makes the result `output_size`, within the stride."""
        if output_size is None:
            return self.output_padding
        spatial = self._spatial
        leading = 2 if input.dim() == spatial + 2 else 1
        wanted = list(output_size)
        if len(wanted) == leading + spatial:
            wanted = wanted[leading:]
        if len(wanted) != spatial:
            raise error(
                ValueError,
                f"ConvTranspose{spatial}D: for {input.dim()}D input, output_size must have "
                f"{spatial} or {leading + spatial} elements (got {len(wanted)})",
            )
        smallest = [
            (input.size(axis + leading) - 1) * self.stride[axis]
            - 2 * int(self.padding[axis])
            + self.dilation[axis] * (self.kernel_size[axis] - 1)
            + 1
            for axis in range(spatial)
        ]
        largest = [size + step - 1 for size, step in zip(smallest, self.stride)]
        for size, low, high in zip(wanted, smallest, largest):
            if not low <= size <= high:
                raise error(
                    ValueError,
                    f"requested an output size of {wanted}, but valid sizes range "
                    f"from {smallest} to {largest} (for an input of {input.size()[2:]})",
                )
        return tuple(size - low for size, low in zip(wanted, smallest))


class ConvTranspose1d(_ConvTransposeNd):
    """Transposed convolution: (N, C_in, L) or (C_in, L) to (N, C_out, L_out)."""

    _spatial = 1


class ConvTranspose2d(_ConvTransposeNd):
    """Transposed convolution: (N, C_in, H, W) or (C_in, H, W) to (N, C_out, H_out, W_out)."""

    _spatial = 2


class ConvTranspose3d(_ConvTransposeNd):
    """Transposed convolution over (N, C_in, D, H, W) or without N."""

    _spatial = 3


class _LazyConv(LazyModuleMixin, _ConvNd):
    """A convolution that takes `in_channels` from the channel axis of its first input."""

    def __init__(
        self, out_channels: int, *args: Any, device: Any = None, dtype: Any = None, **kwargs: Any
    ) -> None:
        # PyTorch's positional order after `out_channels` is that of the eager layer.
        position = 6 if issubclass(type(self), _ConvTransposeNd) else 5
        with_bias = args[position] if len(args) > position else kwargs.get("bias", True)
        positional = list(args)
        if len(positional) > position:
            positional[position] = False
        else:
            kwargs["bias"] = False
        super().__init__(0, 0, *positional, device=device, dtype=dtype, **kwargs)
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_channels = out_channels
        if with_bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draw new values, once the shapes are known."""
        if not self.has_uninitialized_params() and self.in_channels != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        """Take the number of channels from `input` ((N,) C_in, *spatial)."""
        if not self.has_uninitialized_params():
            return
        if input.dim() not in (self._spatial + 1, self._spatial + 2):
            raise error(
                RuntimeError,
                f"Expected {self._spatial + 1}D (unbatched) or {self._spatial + 2}D (batched) "
                f"input to {type(self).__name__}, but got input of size: {tuple(input.shape)}",
            )
        self.in_channels = input.shape[-self._spatial - 1]
        if self.in_channels % self.groups != 0:
            raise error(ValueError, "in_channels must be divisible by groups")
        channels = (self.out_channels, self.in_channels // self.groups)
        if self.transposed:
            channels = (self.in_channels, self.out_channels // self.groups)
        self.weight.materialize((*channels, *self.kernel_size))
        if self.bias is not None:
            self.bias.materialize((self.out_channels,))
        self.reset_parameters()


class LazyConv1d(_LazyConv, Conv1d):
    """`Conv1d` with `in_channels` of its first input."""

    cls_to_become = Conv1d


class LazyConv2d(_LazyConv, Conv2d):
    """`Conv2d` with `in_channels` of its first input."""

    cls_to_become = Conv2d


class LazyConv3d(_LazyConv, Conv3d):
    """`Conv3d` with `in_channels` of its first input."""

    cls_to_become = Conv3d


class LazyConvTranspose1d(_LazyConv, ConvTranspose1d):
    """`ConvTranspose1d` with `in_channels` of its first input."""

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyConv, ConvTranspose2d):
    """`ConvTranspose2d` with `in_channels` of its first input."""

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyConv, ConvTranspose3d):
    """`ConvTranspose3d` with `in_channels` of its first input."""

    cls_to_become = ConvTranspose3d
