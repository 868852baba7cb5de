"""Rearrangements of channels and places."""

from __future__ import annotations

from typing import Any

from plait.core.ops.view import reshape, transpose


def pixel_shuffle(x: Any, factor: int) -> Any:
    """(*, C r^2, H, W) -> (*, C, H r, W r) (Shi et al., arXiv:1609.05158)."""
    *lead, channels, height, width = x.shape
    rank = len(lead)
    apart = reshape(x, (*lead, channels // factor**2, factor, factor, height, width))
    order = (*range(rank + 1), rank + 3, rank + 1, rank + 4, rank + 2)
    mixed = transpose(apart, order)  # (*, C, H, r, W, r)
    return reshape(mixed, (*lead, channels // factor**2, height * factor, width * factor))


def pixel_unshuffle(x: Any, factor: int) -> Any:
    """The inverse of `pixel_shuffle`: (*, C, H r, W r) -> (*, C r^2, H, W)."""
    *lead, channels, height, width = x.shape
    rank = len(lead)
    high, wide = height // factor, width // factor
    apart = reshape(x, (*lead, channels, high, factor, wide, factor))
    order = (*range(rank + 1), rank + 2, rank + 4, rank + 1, rank + 3)
    return reshape(transpose(apart, order), (*lead, channels * factor**2, high, wide))


def channel_shuffle(x: Any, groups: int) -> Any:
    """Channels (g, c) of (N, g c, ...) exchanged for (c, g) (Zhang et al., arXiv:1707.01083)."""
    samples, channels, *rest = x.shape
    apart = reshape(x, (samples, groups, channels // groups, *rest))
    order = (0, 2, 1, *range(3, len(rest) + 3))
    return reshape(transpose(apart, order), (samples, channels, *rest))
