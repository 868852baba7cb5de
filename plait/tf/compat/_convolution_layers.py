"""The layers of `tf.layers` that convolve."""

from __future__ import annotations

from typing import Any

import numpy as np

from plait.tf._ops import arrays, windows
from plait.tf.compat._layer import Layer, function_of, known


def letters(data_format: str, rank: int) -> str:
    spatial = "DHW"[3 - rank :] if rank > 1 else "W"
    return f"NC{spatial}" if data_format == "channels_first" else f"N{spatial}C"


class _Conv(Layer):
    rank = 2

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str = "channels_last",
        dilation_rate: Any = 1,
        activation: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(activation=activation, **options)
        self.filters = int(filters)
        self.window = each(kernel_size, self.rank)
        self.strides, self.dilations = each(strides, self.rank), each(dilation_rate, self.rank)
        self.padding, self.data_format = padding.upper(), data_format

    def call(self, x: Any) -> Any:
        form = letters(self.data_format, self.rank)
        channels = known(x, 1 if form.startswith("NC") else -1, self.word)
        w = self.kernel([*self.window, channels, self.filters])
        made = windows.convolution(
            x, w, list(self.strides), self.padding, form, list(self.dilations)
        )
        return self.activated(self.plus_bias(made, self.filters, form))


def each(value: Any, rank: int) -> tuple[int, ...]:
    return (int(value),) * rank if np.ndim(value) == 0 else tuple(int(v) for v in value)


class Conv1D(_Conv):
    """Convolution over one axis."""

    word, rank = "conv1d", 1


class Conv2D(_Conv):
    """Convolution over two axes."""

    word, rank = "conv2d", 2


class Conv3D(_Conv):
    """Convolution over three axes."""

    word, rank = "conv3d", 3


class Conv2DTranspose(_Conv):
    """The transpose of a convolution over two axes."""

    word, rank = "conv2d_transpose", 2

    def call(self, x: Any) -> Any:
        form = letters(self.data_format, 2)
        first = form.startswith("NC")
        w = self.kernel([*self.window, self.filters, known(x, 1 if first else -1, self.word)])
        places = x.shape[2:] if first else x.shape[1:3]
        sizes = arrays.shape(x)
        spatial = [
            _transposed_extent(sizes[a + (2 if first else 1)] if e is None else e, self, a)
            for a, e in enumerate(places)
        ]
        made = windows.conv2d_transpose(x, w, spatial, list(self.strides), self.padding, form)
        return self.activated(self.plus_bias(made, self.filters, form))


def _transposed_extent(extent: Any, layer: _Conv, axis: int) -> Any:
    """The extent of a transposed convolution's result."""
    whole = extent * layer.strides[axis]
    if layer.padding == "VALID":
        whole = whole + max(layer.window[axis] - layer.strides[axis], 0)
    return whole


class Conv3DTranspose(_Conv):
    """The transpose of a convolution over three axes, channels last."""

    word, rank = "conv3d_transpose", 3

    def call(self, x: Any) -> Any:
        if self.data_format != "channels_last":
            from plait._unbuilt import not_built

            raise not_built("tf.layers.conv3d_transpose with channels first")
        w = self.kernel([*self.window, self.filters, known(x, -1, self.word)])
        sizes = arrays.shape(x)
        spatial = [
            _transposed_extent(sizes[a + 1] if e is None else e, self, a)
            for a, e in enumerate(x.shape[1:4])
        ]
        made = windows.conv3d_transpose(x, w, spatial, list(self.strides), self.padding, "NDHWC")
        return self.activated(self.plus_bias(made, self.filters))


class SeparableConv2D(_Conv):
    """A convolution of each channel by filters of its own, then one over single places."""

    word, rank = "separable_conv2d", 2

    def __init__(
        self, filters: int, kernel_size: Any, *args: Any, depth_multiplier: int = 1, **options: Any
    ) -> None:
        super().__init__(filters, kernel_size, *args, **options)
        self.many = int(depth_multiplier)

    def call(self, x: Any) -> Any:
        form = letters(self.data_format, 2)
        first = form.startswith("NC")
        channels = known(x, 1 if first else -1, self.word)
        deep = self._weights("depthwise", [*self.window, channels, self.many])
        flat = self._weights("pointwise", [1, 1, channels * self.many, self.filters])
        steps, spread = list(self.strides), list(self.dilations)
        steps = [1, 1, *steps] if first else [1, *steps, 1]
        made = windows.separable_conv2d(x, deep, flat, steps, self.padding, form, spread)
        return self.activated(self.plus_bias(made, self.filters, form))

    def _weights(self, kind: str, shape: list[int]) -> Any:
        get = self.options.get
        return self.variable(
            f"{kind}_kernel",
            shape,
            get(f"{kind}_initializer"),
            regularizer=get(f"{kind}_regularizer"),
            constraint=get(f"{kind}_constraint"),
        )


conv1d, conv2d, conv3d = function_of(Conv1D), function_of(Conv2D), function_of(Conv3D)
conv2d_transpose, conv3d_transpose = function_of(Conv2DTranspose), function_of(Conv3DTranspose)
separable_conv2d = function_of(SeparableConv2D)
