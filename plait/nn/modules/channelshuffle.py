"""Interleaving of channel groups (Zhang et al. 2018)."""

from __future__ import annotations

from plait import Tensor
from plait.nn import functional as F
from plait.nn.modules.module import Module

__all__ = ["ChannelShuffle"]


class ChannelShuffle(Module):
    """Rearrange the channels of (N, C, *): channel i of each of `groups` groups comes together."""

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, input: Tensor) -> Tensor:
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        return f"groups={self.groups}"
