"""Padding of one to three spatial axes; amounts are given last axis first, before and after."""

from __future__ import annotations

from typing import Any

from plait import Tensor
from plait.core.ir.errors import error
from plait.nn import functional as F
from plait.nn.modules.module import Module
from plait.nn.modules.utils import _ntuple

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class _PadNd(Module):
    """Padding of `_spatial` axes by what lies inside the input, in `F.pad`'s `_mode`."""

    _spatial: int
    _mode: str

    def __init__(self, padding: Any) -> None:
        super().__init__()
        self.padding = _ntuple(2 * self._spatial)(padding)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _CircularPadNd(_PadNd):
    _mode = "circular"

    def forward(self, input: Tensor) -> Tensor:
        if input.dim() not in (self._spatial + 1, self._spatial + 2):
            raise error(
                ValueError,
                f"expected {self._spatial + 1}D or {self._spatial + 2}D input "
                f"(got {input.dim()}D input)",
            )
        return super().forward(input)


class _ReflectionPadNd(_PadNd):
    _mode = "reflect"


class _ReplicationPadNd(_PadNd):
    _mode = "replicate"


class _ConstantPadNd(Module):
    """Padding of `_spatial` axes by a value."""

    _spatial: int

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__()
        self.padding = _ntuple(2 * self._spatial)(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class _ZeroPadNd(_ConstantPadNd):
    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class CircularPad1d(_CircularPadNd):
    """Wrap around, over the last axis."""

    _spatial = 1


class CircularPad2d(_CircularPadNd):
    """Wrap around, over the last two axes."""

    _spatial = 2


class CircularPad3d(_CircularPadNd):
    """Wrap around, over the last three axes."""

    _spatial = 3


class ReflectionPad1d(_ReflectionPadNd):
    """Mirror, without repeating the edge, over the last axis."""

    _spatial = 1


class ReflectionPad2d(_ReflectionPadNd):
    """Mirror, without repeating the edge, over the last two axes."""

    _spatial = 2


class ReflectionPad3d(_ReflectionPadNd):
    """Mirror, without repeating the edge, over the last three axes."""

    _spatial = 3


class ReplicationPad1d(_ReplicationPadNd):
    """Repeat the edge, over the last axis."""

    _spatial = 1


class ReplicationPad2d(_ReplicationPadNd):
    """Repeat the edge, over the last two axes."""

    _spatial = 2


class ReplicationPad3d(_ReplicationPadNd):
    """Repeat the edge, over the last three axes."""

    _spatial = 3


class ConstantPad1d(_ConstantPadNd):
    """Pad the last axis with `value`."""

    _spatial = 1


class ConstantPad2d(_ConstantPadNd):
    """Pad the last two axes with `value`."""

    _spatial = 2


class ConstantPad3d(_ConstantPadNd):
    """Pad the last three axes with `value`."""

    _spatial = 3


class ZeroPad1d(_ZeroPadNd, ConstantPad1d):
    """Pad the last axis with zeros."""


class ZeroPad2d(_ZeroPadNd, ConstantPad2d):
    """Pad the last two axes with zeros."""


class ZeroPad3d(_ZeroPadNd, ConstantPad3d):
    """Pad the last three axes with zeros."""
