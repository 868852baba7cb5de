"""Weights of convolutions in another order in memory."""

from __future__ import annotations

from typing import Any, TypeVar

from plait.nn.modules import Conv2d, Conv3d, ConvTranspose2d, ConvTranspose3d, Module

__all__ = ["convert_conv2d_weight_memory_format", "convert_conv3d_weight_memory_format"]

M = TypeVar("M", bound=Module)


def _convert(module: M, kinds: tuple[type[Module], ...], memory_format: Any) -> M:
    for inner in module.modules():
        if isinstance(inner, kinds):
            weight: Any = inner.weight
            weight.data = weight.detach().clone(memory_format=memory_format)
    return module


def convert_conv2d_weight_memory_format(module: M, memory_format: Any) -> M:
    """Lay out the weights of the 2D convolutions in a module anew; returns the module."""
    return _convert(module, (Conv2d, ConvTranspose2d), memory_format)


def convert_conv3d_weight_memory_format(module: M, memory_format: Any) -> M:
    """Lay out the weights of the 3D convolutions in a module anew; returns the module."""
    return _convert(module, (Conv3d, ConvTranspose3d), memory_format)
