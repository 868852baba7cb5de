"""Stochastic depth (arXiv:1603.09382): residual branches that are left out at random."""

from __future__ import annotations

from typing import Any

import plait
from plait import nn
from plait.core.ir.errors import error


def stochastic_depth(input: Any, p: float, mode: str, training: bool = True) -> Any:
    """Zero with probability `p`, else scaled by 1 / (1 - p): the whole batch, or each row.

    `mode` is "batch" or "row". Raises ValueError for another mode or p outside [0, 1].
    """
    if p < 0.0 or p > 1.0:
        raise error(ValueError, f"drop probability has to be between 0 and 1, but got {p}")
    if mode not in ("batch", "row"):
        raise error(ValueError, f"mode has to be either 'batch' or 'row', but got {mode}")
    if not training or p == 0.0:
        return input
    rows = input.shape[0] if mode == "row" else 1
    shape = [rows] + [1] * (input.ndim - 1)
    survives = plait.empty(shape, dtype=input.dtype, device=input.device).bernoulli_(1.0 - p)
    return input * (survives / (1.0 - p) if p < 1.0 else survives)


class StochasticDepth(nn.Module):
    """`stochastic_depth` as a layer; nothing is left out in evaluation."""

    def __init__(self, p: float, mode: str) -> None:
        super().__init__()
        self.p = p
        self.mode = mode

    def forward(self, input: Any) -> Any:
        return stochastic_depth(input, self.p, self.mode, self.training)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(p={self.p}, mode={self.mode})"
