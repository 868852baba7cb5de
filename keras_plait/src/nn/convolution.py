"""Convolutions, and what rearranges pixels into channels and patches.

Keras' kernels are (*window, in, out); its images have the channels last, or first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras.src import backend
from keras.src.backend.common.backend_utils import (
    check_conv_input_channels,
    check_conv_transpose_input_channels,
    compute_conv_transpose_padding_args_for_jax,
)

import plait.nn.functional as F
from keras_plait.src.core import convert_to_tensor
from keras_plait.src.operands import together

_CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def each_axis(value: Any, axes: int) -> tuple[int, ...]:
    """One number for each spatial axis."""
    return (value,) * axes if isinstance(value, int) else tuple(value)


def channels_first(x: Any, data_format: str) -> Any:
    return x.movedim(-1, 1) if data_format == "channels_last" else x


def as_given(x: Any, data_format: str) -> Any:
    """A result with the channels in their place again."""
    return x.movedim(1, -1) if data_format == "channels_last" else x


def same_padding(
    extents: Sequence[int], window: Sequence[int], strides: Sequence[int], dilation: Sequence[int]
) -> list[tuple[int, int]]:
    """What comes before and after each axis, so that there are extent / stride results."""
    found = []
    for extent, size, stride, step in zip(extents, window, strides, dilation):
        total = (-(-extent // stride) - 1) * stride + (size - 1) * step + 1 - extent
        total = max(total, 0)
        found.append((total // 2, total - total // 2))
    return found


def flat(widths: Sequence[tuple[int, int]]) -> list[int]:
    """Widths as `F.pad` takes them: the last axis first."""
    return [width for pair in reversed(widths) for width in pair]


def _convolve(x: Any, weight: Any, strides: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """x (batch, in, *space), weight (out, in / groups, *window)."""
    axes = x.ndim - 2
    strides, dilation = each_axis(strides, axes), each_axis(dilation, axes)
    before: Any = 0
    if isinstance(padding, str) and padding.lower() not in ("same", "valid"):
        raise ValueError(f"Invalid padding '{padding}', must be 'same' or 'valid'.")
    if not isinstance(padding, str) or padding.lower() == "same":
        widths = (
            same_padding(x.shape[2:], weight.shape[2:], strides, dilation)
            if isinstance(padding, str)
            else padding
        )
        if all(a == b for a, b in widths):
            before = tuple(a for a, _ in widths)
        else:
            x = F.pad(x, flat(widths))
    return _CONV[axes](x, weight, None, strides, before, dilation, groups)


def conv(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: Any = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    data_format = backend.standardize_data_format(data_format)
    kernel = convert_to_tensor(kernel)
    x = channels_first(convert_to_tensor(inputs, dtype=kernel.dtype), data_format)
    channels, of_kernel = x.shape[1], kernel.shape[-2]
    if channels % of_kernel:
        raise ValueError(
            "The number of input channels must be evenly divisible by kernel's in_channels. "
            f"Received input channels {channels} and kernel in_channels {of_kernel}. "
        )
    axes = x.ndim - 2
    reach = [
        (size - 1) * step + 1
        for size, step in zip(kernel.shape[:axes], each_axis(dilation_rate, axes))
    ]
    if padding == "valid" and any(e < r for e, r in zip(x.shape[2:], reach)):
        raise ValueError(
            "The convolution operation resulted in an empty output. This can happen if the input "
            "is too small for the given kernel size, strides, dilation rate, and padding mode. "
            "Please check the input shape and convolution parameters."
        )
    weight = kernel.permute(axes + 1, axes, *range(axes))
    made = _convolve(x, weight, strides, padding, dilation_rate, channels // of_kernel)
    return as_given(made, data_format)


def depthwise_conv(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: Any = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    data_format = backend.standardize_data_format(data_format)
    inputs, kernel = convert_to_tensor(inputs), convert_to_tensor(kernel)
    check_conv_input_channels(inputs, kernel, data_format)
    inputs, kernel = together(inputs, kernel)
    x = channels_first(inputs, data_format)
    axes = x.ndim - 2
    channels, each = kernel.shape[-2:]
    weight = kernel.permute(axes, axes + 1, *range(axes))
    weight = weight.reshape(channels * each, 1, *kernel.shape[:axes])
    made = _convolve(x, weight, strides, padding, dilation_rate, channels)
    return as_given(made, data_format)


def separable_conv(
    inputs: Any,
    depthwise_kernel: Any,
    pointwise_kernel: Any,
    strides: Any = 1,
    padding: Any = "valid",
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    data_format = backend.standardize_data_format(data_format)
    x = depthwise_conv(inputs, depthwise_kernel, strides, padding, data_format, dilation_rate)
    return conv(x, pointwise_kernel, 1, "valid", data_format, dilation_rate)


def conv_transpose(
    inputs: Any,
    kernel: Any,
    strides: Any = 1,
    padding: str = "valid",
    output_padding: Any = None,
    data_format: str | None = None,
    dilation_rate: Any = 1,
) -> Any:
    """The gradient of a convolution with respect to its input, as an operation of its own."""
    data_format = backend.standardize_data_format(data_format)
    inputs, kernel = convert_to_tensor(inputs), convert_to_tensor(kernel)
    check_conv_transpose_input_channels(inputs, kernel, data_format)
    inputs, kernel = together(inputs, kernel)
    # What Keras' formula pads the stretched input with; all of a kernel is the whole result.
    widths = compute_conv_transpose_padding_args_for_jax(
        input_shape=inputs.shape,
        kernel_shape=kernel.shape,
        strides=strides,
        padding=padding,
        output_padding=output_padding,
        dilation_rate=dilation_rate,
    )
    x = channels_first(inputs, data_format)
    axes = x.ndim - 2
    strides, dilation = each_axis(strides, axes), each_axis(dilation_rate, axes)
    crops = [
        ((size - 1) * step - before, (size - 1) * step - after)
        for size, step, (before, after) in zip(kernel.shape, dilation, widths)
    ]
    cut = [max(min(pair), 0) for pair in crops]
    weight = kernel.permute(axes + 1, axes, *range(axes))
    made = _TRANSPOSED[axes](x, weight, None, strides, tuple(cut), 0, 1, dilation)
    rest = [(size - before, size - after) for size, (before, after) in zip(cut, crops)]
    if any(width for pair in rest for width in pair):
        made = F.pad(made, flat(rest))
    return as_given(made, data_format)


def unfold(
    input: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Any:
    """Patches of images (batch, channels, height, width) as columns."""
    return F.unfold(convert_to_tensor(input), kernel_size, dilation, padding, stride)


def fold(
    x: Any,
    output_size: Any,
    kernel_size: Any,
    dilation: Any = 1,
    padding: Any = 0,
    stride: Any = 1,
) -> Any:
    """Images of columns of patches, added up where they overlap."""
    return F.fold(convert_to_tensor(x), output_size, kernel_size, dilation, padding, stride)


def depth_to_space(x: Any, block_size: int, data_format: str = "channels_last") -> Any:
    """Blocks of channels as blocks of pixels."""
    x = channels_first(convert_to_tensor(x), data_format)
    batch, depth, height, width = x.shape
    channels = depth // block_size**2
    x = x.reshape(batch, block_size, block_size, channels, height, width)
    x = x.permute(0, 3, 4, 1, 5, 2)
    made = x.reshape(batch, channels, height * block_size, width * block_size)
    return as_given(made, data_format)


def space_to_depth(x: Any, block_size: int, data_format: str = "channels_last") -> Any:
    """Blocks of pixels as blocks of channels."""
    x = channels_first(convert_to_tensor(x), data_format)
    batch, channels, height, width = x.shape
    rows, columns = height // block_size, width // block_size
    x = x.reshape(batch, channels, rows, block_size, columns, block_size)
    x = x.permute(0, 3, 5, 1, 2, 4)
    return as_given(x.reshape(batch, channels * block_size**2, rows, columns), data_format)
