"""The layers of `tf.layers` that pool windows."""

from __future__ import annotations

from typing import Any

from plait.tf._ops import windows
from plait.tf.compat._convolution_layers import each, letters
from plait.tf.compat._layer import Layer, function_of


class _Pooling(Layer):
    rank, largest = 2, True

    def __init__(
        self,
        pool_size: Any,
        strides: Any,
        padding: str = "valid",
        data_format: str = "channels_last",
        name: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(name, **options)
        self.window, self.strides = each(pool_size, self.rank), each(strides, self.rank)
        self.padding, self.data_format = padding.upper(), data_format

    def call(self, x: Any) -> Any:
        function = windows.max_pool if self.largest else windows.avg_pool
        form = letters(self.data_format, self.rank)
        return function(x, list(self.window), list(self.strides), self.padding, form)


def _class(rank: int, largest: bool) -> type:
    kind = "max" if largest else "average"
    document = f"The {'maxima' if largest else 'means'} of windows over {rank} axes."
    names = {
        "rank": rank,
        "largest": largest,
        "word": f"{kind}_pooling{rank}d",
        "__doc__": document,
    }
    return type(f"{kind.capitalize()}Pooling{rank}D", (_Pooling,), names)


MaxPooling1D, MaxPooling2D, MaxPooling3D = (_class(r, True) for r in (1, 2, 3))
AveragePooling1D, AveragePooling2D, AveragePooling3D = (_class(r, False) for r in (1, 2, 3))
max_pooling1d, max_pooling2d, max_pooling3d = map(
    function_of, (MaxPooling1D, MaxPooling2D, MaxPooling3D)
)
average_pooling1d, average_pooling2d, average_pooling3d = map(
    function_of, (AveragePooling1D, AveragePooling2D, AveragePooling3D)
)
